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
HAS_PHONE! char hasPhone Phone provided
HAS_EMAIL! char hasEmail Email provided
HAS_IMOL! char hasImol Open channel assigned
PHONE crm_multifield[] - Phone
EMAIL crm_multifield[] - Email
WEB crm_multifield[] - Website
IM crm_multifield[] - Messenger
LINK crm_multifield[] - Link
"""
ORIGIN = """
ORIGINATOR_ID string originatorId External source
ORIGIN_ID string originId Identifier in external source
"""
TRAFFIC = """
UTM_SOURCE string utmSource Advertising system
UTM_MEDIUM string utmMedium Traffic type
UTM_CAMPAIGN string utmCampaign Campaign identifier
UTM_CONTENT string utmContent Campaign content
UTM_TERM string utmTerm Campaign search term
LAST_ACTIVITY_TIME! datetime lastActivityTime Last activity
LAST_ACTIVITY_BY! user lastActivityBy Last activity by
"""
ADDRESS = """
ADDRESS string address Address
ADDRESS_2 string - Address (line 2)
ADDRESS_CITY string - City
ADDRESS_POSTAL_CODE string - Postal code
ADDRESS_REGION string - Region
ADDRESS_PROVINCE string - Province
ADDRESS_COUNTRY string - Country
ADDRESS_COUNTRY_CODE string - Country code
ADDRESS_LOC_ADDR_ID integer - Location address ID
"""
CONTACT_FIELDS = parse_fields(
    COMMON
    + """
NAME string name First name
SECOND_NAME string secondName Second name
LAST_NAME string lastName Last name
POST string post Position
PHOTO file photo Photo
TYPE_ID crm_status typeId Contact type
SOURCE_ID crm_status sourceId Source
COMPANY_ID crm_company companyId Company
COMPANY_IDS crm_company[] companyIds Companies
HONORIFIC crm_status honorific Salutation
BIRTHDATE date birthdate Date of birth
SOURCE_DESCRIPTION string sourceDescription Source description
EXPORT char export Included in export
ORIGIN_VERSION string originVersion Original version
"""
    + ADDRESS
    + ORIGIN
    + TRAFFIC
    + REACH
)
COMPANY_FIELDS = parse_fields(
    COMMON
    + """
TITLE* string title Company name
COMPANY_TYPE crm_status typeId Company type
LOGO file logo Logo
INDUSTRY crm_status industry Industry
EMPLOYEES crm_status employees Number of employees
CURRENCY_ID crm_currency currencyId Currency
REVENUE double revenue Annual revenue
BANKING_DETAILS string bankingDetails Banking details
IS_MY_COMPANY char isMyCompany My company
ORIGIN_VERSION string originVersion Original version
ADDRESS_LEGAL string addressLegal Legal address
"""
    + ADDRESS
    + ADDRESS.replace("ADDRESS string address", "REG_ADDRESS string -").replace("\nADDRESS", "\nREG_ADDRESS")
    + ORIGIN
    + TRAFFIC
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
SOURCE_DESCRIPTION string sourceDescription Source description
ADDITIONAL_INFO string additionalInfo Additional information
LEAD_ID! crm_lead - Lead
QUOTE_ID! crm_quote - Quote
LOCATION_ID location locationId Location
TAX_VALUE double taxValue Tax
IS_NEW! char isNew New deal
IS_RECURRING char isRecurring Recurring deal
IS_RETURN_CUSTOMER char isReturnCustomer Repeat deal
IS_REPEATED_APPROACH char isRepeatedApproach Repeated approach
IS_MANUAL_OPPORTUNITY char isManualOpportunity Amount entered by hand
"""
    + ORIGIN
    + TRAFFIC
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
SECOND_NAME string secondName Middle name
HONORIFIC crm_status honorific Salutation
BIRTHDATE date birthdate Date of birth
POST string post Position
COMPANY_TITLE string companyTitle Company name
SOURCE_DESCRIPTION string sourceDescription Source description
STATUS_DESCRIPTION string statusDescription Status description
STATUS_SEMANTIC_ID! string - Status group
IS_RETURN_CUSTOMER! char isReturnCustomer Returning lead
IS_MANUAL_OPPORTUNITY char isManualOpportunity Amount entered by hand
DATE_CLOSED! datetime dateClosed Completed on
"""
    + ADDRESS
    + ORIGIN
    + TRAFFIC
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
QUOTE_NUMBER! string quoteNumber Number
TAX_VALUE double taxValue Tax
MYCOMPANY_ID crm_company mycompanyId Your company
ACTUAL_DATE date actualDate Valid until
CONTENT string content Content
TERMS string terms Terms
CLIENT_TITLE string clientTitle Client
CLIENT_ADDR string clientAddr Client address
CLIENT_CONTACT string clientContact Contact person
CLIENT_EMAIL string clientEmail Client email
CLIENT_PHONE string clientPhone Client phone
CLIENT_TP_ID string clientTpId Tax ID
CLIENT_TPA_ID string clientTpaId Tax registration code
LEAD_ID crm_lead leadId Lead
PERSON_TYPE_ID integer personTypeId Client type
LOCATION_ID location locationId Location
"""
    + TRAFFIC
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
