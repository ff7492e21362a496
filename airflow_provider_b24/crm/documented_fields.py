"""
What Bitrix24's documentation says of fields beyond the portal's own description, by method.

For lists whose rows the portal does not describe, or only by their titles; flags among the fields of type
``char``, which may hold any code; and descriptions that do not fit the rows. ``source`` names the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_DOCS = "https://apidocs.bitrix24.com/api-reference"


@dataclass(frozen=True, slots=True)
class Documented:
    """
    The documented fields of a list's rows.

    :param source: the page.
    :param fields: the portal's word for the type of each field that is not text.
    :param times: the fields with a time that the list can be filtered by; None: not known, or as described.
    :param also: names that ``select`` may have beside described ones, in the spelling of the rows.
    """

    source: str
    fields: Mapping[str, str] = field(default_factory=dict)
    times: frozenset[str] | None = None
    also: frozenset[str] = frozenset()


def _fields(**names: str) -> dict[str, str]:
    """Return fields from types with names: ``integer="ID SORT"``."""
    return {name: kind for kind, text in names.items() for name in text.split()}


_USER = Documented(
    f"{_DOCS}/user/user-get.html",
    _fields(
        integer="ID",
        boolean="ACTIVE IS_ONLINE",
        datetime="LAST_LOGIN DATE_REGISTER",
        date="PERSONAL_BIRTHDAY",
        array="UF_DEPARTMENT",
        # These two have been {} and a time without an offset; the date of employment is in the portal's form.
        string="XML_ID NAME LAST_NAME SECOND_NAME TITLE EMAIL TIME_ZONE TIMESTAMP_X LAST_ACTIVITY_DATE"
        " UF_EMPLOYMENT_DATE USER_TYPE",
    ),
    frozenset(
        {
            *("TIMESTAMP_X", "DATE_REGISTER", "LAST_LOGIN", "LAST_ACTIVITY_DATE"),
            *("PERSONAL_BIRTHDAY", "UF_EMPLOYMENT_DATE"),
        }
    ),
)
DOCUMENTED: dict[str, Documented] = {
    "tasks.task.list": Documented(
        f"{_DOCS}/tasks/tasks-task-list.html",
        _fields(
            integer="id parentId groupId stageId createdBy responsibleId changedBy statusChangedBy closedBy"
            " commentsCount newCommentsCount timeEstimate timeSpentInLogs flowId",
            number="sorting",
            boolean="multitask notViewed replicate allowChangeDeadline allowTimeTracking taskControl"
            " addInReport subordinate favorite isMuted isPinned isPinnedInGroup matchWorkTime",
            datetime="createdDate changedDate statusChangedDate closedDate activityDate dateStart deadline"
            " startDatePlan endDatePlan viewedDate",
            array="accomplices auditors",
            string="title description mark priority status guid xmlId siteId durationType",
        ),
        frozenset(
            {
                *("CREATED_DATE", "CHANGED_DATE", "STATUS_CHANGED_DATE", "CLOSED_DATE", "ACTIVITY_DATE"),
                *("DATE_START", "DEADLINE", "START_DATE_PLAN", "END_DATE_PLAN", "VIEWED_DATE"),
            }
        ),
        frozenset(
            {
                *("tags", "counter", "counters", "subStatus", "group", "creator", "responsible", "chatId"),
                *("accomplicesData", "auditorsData", "descriptionInBbcode", "action", "checkListTree"),
                *("checkListCanAdd", "lengthDeadline", "timeElapsed", "timerIsRunningForCurrentUser"),
                *("taskRequireResult", "taskHasOpenResult", "taskHasResult", "parsedDescription"),
            }
        ),
    ),
    "user.get": _USER,
    "user.search": Documented(f"{_DOCS}/user/user-search.html", _USER.fields, _USER.times),
    "department.get": Documented(
        f"{_DOCS}/departments/department-get.html",
        _fields(integer="ID SORT PARENT UF_HEAD", string="NAME"),
        frozenset(),
    ),
    "voximplant.statistic.get": Documented(
        f"{_DOCS}/telephony/voximplant/voximplant-statistic-get.html",
        _fields(
            integer="ID PORTAL_USER_ID CALL_TYPE CALL_DURATION CRM_ENTITY_ID CRM_ACTIVITY_ID CALL_VOTE"
            " REST_APP_ID TRANSCRIPT_ID REDIAL_ATTEMPT RECORD_DURATION RECORD_FILE_ID",
            number="COST",
            boolean="TRANSCRIPT_PENDING",
            datetime="CALL_START_DATE",
            string="PORTAL_NUMBER PHONE_NUMBER CALL_ID EXTERNAL_CALL_ID CALL_CATEGORY CALL_LOG"
            " CALL_RECORD_URL COST_CURRENCY CALL_FAILED_CODE CALL_FAILED_REASON CRM_ENTITY_TYPE"
            " REST_APP_NAME SESSION_ID COMMENT",
        ),
        frozenset({"CALL_START_DATE"}),
    ),
    "lists.element.get": Documented(
        f"{_DOCS}/lists/elements/lists-element-get.html",
        _fields(integer="ID IBLOCK_SECTION_ID CREATED_BY", string="NAME CODE"),
    ),
    "crm.stagehistory.list": Documented(
        f"{_DOCS}/crm/crm-stage-history-list.html",
        _fields(integer="ID TYPE_ID OWNER_ID", datetime="CREATED_TIME"),
        frozenset({"CREATED_TIME"}),
    ),
    "task.elapseditem.getlist": Documented(
        f"{_DOCS}/tasks/elapsed-item/task-elapsed-item-get-list.html",
        _fields(
            integer="ID TASK_ID USER_ID SECONDS MINUTES SOURCE",
            datetime="CREATED_DATE DATE_START DATE_STOP",
            string="COMMENT_TEXT",
        ),
        frozenset({"CREATED_DATE"}),
    ),
}

# Fields in the rows of crm.item.list that crm.item.fields does not describe.
# https://apidocs.bitrix24.com/api-reference/crm/universal/object-fields.html
ITEM_EXTRAS = {"entityTypeId": "integer"}
ITEM_REACH = {"phone": "string", "email": "string", "fm": "crm_multifield"}
REACH_TYPES = {"1", "3", "4"}  # leads, contacts, companies

_CRM_FLAGS = (
    "OPENED EXPORT HAS_PHONE HAS_EMAIL HAS_IMOL IS_MY_COMPANY CLOSED IS_NEW IS_RECURRING IS_RETURN_CUSTOMER"
    " IS_REPEATED_APPROACH IS_MANUAL_OPPORTUNITY"
)
_USER_FIELD_FLAGS = "MULTIPLE MANDATORY SHOW_FILTER SHOW_IN_LIST EDIT_IN_LIST IS_SEARCHABLE"
_CATALOG_FLAGS = "active available bundle vatIncluded"

# The fields of type char that hold Y or N only, by the method that describes them, whose page says so.
FLAGS: dict[str, frozenset[str]] = {
    method: frozenset(names.split())
    for method, names in {
        **dict.fromkeys(
            (
                *("crm.contact.fields", "crm.company.fields", "crm.deal.fields"),
                *("crm.lead.fields", "crm.quote.fields"),
            ),
            _CRM_FLAGS,
        ),
        "crm.item.fields": (
            "opened export hasPhone hasEmail hasImol isMyCompany closed isNew isRecurring isReturnCustomer"
            " isRepeatedApproach isManualOpportunity"
        ),
        "crm.deal.recurring.fields": "ACTIVE",
        "crm.status.fields": "SYSTEM",
        "crm.currency.fields": "BASE",
        "crm.activity.fields": "COMPLETED IS_INCOMING_CHANNEL",
        "crm.requisite.fields": "ACTIVE ADDRESS_ONLY RQ_VAT_PAYER",
        "crm.requisite.preset.fields": "ACTIVE",
        "crm.requisite.preset.field.fields": "IN_SHORT_LIST",
        "crm.requisite.bankdetail.fields": "ACTIVE",
        "crm.product.fields": "ACTIVE VAT_INCLUDED",
        "crm.productrow.fields": "TAX_INCLUDED CUSTOMIZED",
        "crm.userfield.fields": _USER_FIELD_FLAGS,
        "catalog.catalog.getfields": "subscription",
        "catalog.measure.getfields": "isDefault",
        "catalog.productpropertyenum.getfields": "def",
        "catalog.productpropertyfeature.getfields": "isEnabled",
        "catalog.productproperty.getfields": "active",
        **dict.fromkeys(
            (
                "catalog.product.getfieldsbyfilter",
                "catalog.product.offer.getfieldsbyfilter",
                "catalog.product.service.getfieldsbyfilter",
                "catalog.product.sku.getfieldsbyfilter",
            ),
            _CATALOG_FLAGS,
        ),
        "catalog.ratio.getfields": "isDefault",
        "catalog.section.getfields": "active",
        "catalog.store.getfields": "active issuingCenter",
        "catalog.vat.getfields": "active",
        "sale.order.getfields": "canceled deducted externalOrder marked payed recountFlag updated1c",
        "sale.payment.getfields": "paid marked updated1c",
    }.items()
}

# Descriptions that the rows do not keep, by the method that describes them; the page with the rows says so.
CORRECTIONS: dict[str, dict[str, str]] = {
    # https://apidocs.bitrix24.com/api-reference/tasks/tasks-task-get.html: "matchWorkTime": "N"
    "tasks.task.getfields": {"MATCH_WORK_TIME": "boolean", "EXCHANGE_ID": "string"},
}

# Names of the older methods, whose fields crm.item.* calls otherwise than the same word in another spelling.
NEW_NAMES = {
    "DATE_CREATE": "createdTime",
    "DATE_MODIFY": "updatedTime",
    "CREATED_BY_ID": "createdBy",
    "MODIFY_BY_ID": "updatedBy",
    "STATUS_ID": "stageId",
    "COMPANY_TYPE": "typeId",
}
