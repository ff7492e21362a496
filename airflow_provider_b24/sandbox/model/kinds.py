"""The portal's kinds of CRM records."""

from __future__ import annotations

from airflow_provider_b24.sandbox.model.schema import Field, Kind, parse_fields

COMMON = """
ID! integer id ID
ASSIGNED_BY_ID user assignedById Responsible person
CREATED_BY_ID! user createdBy Created by
MODIFY_BY_ID! user updatedBy Modified by
DATE_CREATE! datetime createdTime Created on
DATE_MODIFY! datetime updatedTime Modified on
OPENED char opened Available to everyone
COMMENTS string comments Comment
"""
MOVED = """
MOVED_BY_ID! user movedBy Stage changed by
MOVED_TIME! datetime movedTime Stage changed on
"""
MONEY = """
OPPORTUNITY double opportunity Amount
CURRENCY_ID crm_currency currencyId Currency
"""
REACH = """
PHONE crm_multifield[] - Phone
EMAIL crm_multifield[] - Email
"""
CONTACT_FIELDS = parse_fields(
    COMMON
    + """
NAME string name First name
SECOND_NAME string secondName Second name
LAST_NAME string lastName Last name
POST string post Position
TYPE_ID crm_status typeId Contact type
SOURCE_ID crm_status sourceId Source
COMPANY_ID crm_company companyId Company
COMPANY_IDS crm_company[] companyIds Companies
"""
    + REACH
)
COMPANY_FIELDS = parse_fields(
    COMMON
    + """
TITLE* string title Company name
COMPANY_TYPE crm_status typeId Company type
INDUSTRY crm_status industry Industry
"""
    + REACH
)
DEAL_FIELDS = parse_fields(
    COMMON
    + MOVED
    + MONEY
    + """
TITLE string title Name
TYPE_ID crm_status typeId Deal type
CATEGORY_ID crm_category categoryId Pipeline
STAGE_ID crm_status stageId Stage
STAGE_SEMANTIC_ID! string stageSemanticId Stage group
PROBABILITY integer probability Probability
COMPANY_ID crm_company companyId Company
CONTACT_ID crm_contact contactId Contact
CONTACT_IDS crm_contact[] contactIds Contacts
BEGINDATE date begindate Start date
CLOSEDATE date closedate Completed on
CLOSED char closed Closed
SOURCE_ID crm_status sourceId Source
"""
)
LEAD_FIELDS = parse_fields(
    COMMON
    + MOVED
    + MONEY
    + """
TITLE string title Lead name
NAME string name First name
LAST_NAME string lastName Last name
STATUS_ID crm_status stageId Status
SOURCE_ID crm_status sourceId Source
COMPANY_ID crm_company companyId Company
CONTACT_ID crm_contact contactId Contact
CONTACT_IDS crm_contact[] contactIds Contacts
"""
    + REACH
)
QUOTE_FIELDS = parse_fields(
    COMMON
    + MONEY
    + """
TITLE string title Subject
STATUS_ID crm_status stageId Status
DEAL_ID crm_deal dealId Deal
COMPANY_ID crm_company companyId Company
CONTACT_ID crm_contact contactId Contact
CONTACT_IDS crm_contact[] contactIds Contacts
BEGINDATE date begindate Issue date
CLOSEDATE date closedate Valid until
CLOSED char closed Closed
"""
)
SMART_PROCESS_FIELDS: tuple[Field, ...] = parse_fields(
    COMMON.replace("COMMENTS string comments Comment\n", "")
    + MOVED
    + MONEY
    + """
TITLE string title Name
XML_ID string xmlId External code
CATEGORY_ID crm_category categoryId Pipeline
STAGE_ID crm_status stageId Stage
COMPANY_ID crm_company companyId Company
CONTACT_ID crm_contact contactId Contact
CONTACT_IDS crm_contact[] contactIds Contacts
BEGINDATE date begindate Start date
CLOSEDATE date closedate End date
"""
)


def crm_kinds() -> dict[int, Kind]:
    """The kinds that every portal has, by entity type id."""
    kinds = (
        Kind("lead", 1, "Lead", LEAD_FIELDS),
        Kind("deal", 2, "Deal", DEAL_FIELDS),
        Kind("contact", 3, "Contact", CONTACT_FIELDS),
        Kind("company", 4, "Company", COMPANY_FIELDS),
        Kind("quote", 7, "Quote", QUOTE_FIELDS),
    )
    return {kind.type_id: kind for kind in kinds}


def smart_process(type_id: int, title: str) -> Kind:
    """A smart process: a kind of record that the portal's administrator made."""
    return Kind(f"dynamic_{type_id}", type_id, title, SMART_PROCESS_FIELDS)
