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


def _fields(text: str) -> dict[str, str]:
    """Return fields from ``ID:integer NAME``, in the order of the page; text if nothing else is said."""
    pairs = (one.partition(":") for one in text.split())
    return {name: kind or "string" for name, _, kind in pairs}


# TIMESTAMP_X and LAST_ACTIVITY_DATE have been {} and times without an offset, and the date of employment is
# written in the portal's own form: text.
_USER = Documented(
    f"{_DOCS}/user/user-get.html",
    _fields(
        "ID:integer XML_ID ACTIVE:boolean NAME LAST_NAME SECOND_NAME TITLE EMAIL LAST_LOGIN:datetime"
        " DATE_REGISTER:datetime TIME_ZONE IS_ONLINE:boolean TIMESTAMP_X LAST_ACTIVITY_DATE"
        " PERSONAL_BIRTHDAY:date UF_EMPLOYMENT_DATE UF_DEPARTMENT:array USER_TYPE"
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
        f"{_DOCS}/tasks/tasks-task-get-fields.html",
        _fields(
            "id:integer parentId:integer title description mark priority status multitask notViewed replicate"
            " groupId:integer stageId:integer createdBy:integer createdDate:datetime responsibleId:integer"
            " accomplices:array auditors:array changedBy:integer changedDate:datetime statusChangedBy:integer"
            " statusChangedDate:datetime closedBy:integer closedDate:datetime activityDate:datetime"
            " dateStart:datetime deadline:datetime startDatePlan:datetime endDatePlan:datetime guid xmlId"
            " commentsCount:integer newCommentsCount:integer allowChangeDeadline allowTimeTracking"
            " taskControl addInReport timeEstimate:integer timeSpentInLogs:integer matchWorkTime:boolean"
            " siteId subordinate favorite viewedDate:datetime sorting:double durationType isMuted isPinned"
            " isPinnedInGroup flowId:integer"
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
        _fields("ID:integer NAME SORT:integer PARENT:integer UF_HEAD:integer"),
        frozenset(),
    ),
    "voximplant.statistic.get": Documented(
        f"{_DOCS}/telephony/voximplant/voximplant-statistic-get.html",
        _fields(
            "ID:integer PORTAL_USER_ID:integer PORTAL_NUMBER PHONE_NUMBER CALL_ID EXTERNAL_CALL_ID"
            " CALL_CATEGORY CALL_LOG CALL_DURATION:integer CALL_START_DATE:datetime CALL_RECORD_URL"
            " CALL_VOTE:integer COST:double COST_CURRENCY CALL_FAILED_CODE CALL_FAILED_REASON"
            " CRM_ENTITY_TYPE CRM_ENTITY_ID:integer CRM_ACTIVITY_ID:integer REST_APP_ID:integer REST_APP_NAME"
            " TRANSCRIPT_ID:integer TRANSCRIPT_PENDING:boolean SESSION_ID REDIAL_ATTEMPT:integer COMMENT"
            " RECORD_DURATION:integer RECORD_FILE_ID:integer CALL_TYPE:integer"
        ),
        frozenset({"CALL_START_DATE"}),
    ),
    "lists.element.get": Documented(
        f"{_DOCS}/lists/elements/lists-element-get.html",
        _fields("ID:integer NAME IBLOCK_SECTION_ID:integer CREATED_BY:integer CODE"),
    ),
    "crm.stagehistory.list": Documented(
        f"{_DOCS}/crm/crm-stage-history-list.html",
        _fields("ID:integer TYPE_ID:integer OWNER_ID:integer CREATED_TIME:datetime"),
        frozenset({"CREATED_TIME"}),
    ),
    "task.elapseditem.getlist": Documented(
        f"{_DOCS}/tasks/elapsed-item/task-elapsed-item-get-list.html",
        _fields(
            "ID:integer TASK_ID:integer USER_ID:integer COMMENT_TEXT SECONDS:integer MINUTES:integer"
            " SOURCE:integer CREATED_DATE:datetime DATE_START:datetime DATE_STOP:datetime"
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
