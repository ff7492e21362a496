"""
The table of list methods: how each pages, and the page of the documentation that says so.

A pure table, and long because the portal has many lists. Methods of REST 3.0 are not in it: they are called
at another address. A method that is documented without paging is ``all``: it returns everything at once.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_b24.rest.list_description import DOCS, PAGE, ListMethod, Pages, Paging, Parameters

USER_OPTIONS = ("sort", "order", "FILTER", "ADMIN_MODE", "select", "IMAGE_RESIZE", "start")


def _other(
    path: str,
    rows: str = "",
    *,
    takes: str = "filter order select",
    order: str = "",
    sort: str = "",
    options: tuple[str, ...] = (),
    paging: Paging = "start",
    inside: str = "",
    size: int = PAGE,
    pages_by: str = "",
    fields: str = "",
    **known: Any,
) -> ListMethod:
    """
    A list whose rows have a key of their own, or none.

    :param takes: which of filter, order and selection it takes, as it writes them.
    :param order: the order's name, if it is another.
    """
    names = {name.lower(): name for name in takes.split()}
    named = (names.get("filter", ""), order or names.get("order", ""), sort, names.get("select", ""))
    return ListMethod(
        f"{DOCS}/api-reference/{path}.html",
        rows=rows,
        parameters=Parameters(*named, options),
        pages=Pages(paging, inside, size, pages_by),
        described=fields,
        **known,
    )


def _upper(path: str, rows: str = "", **known: Any) -> ListMethod:
    """A list whose rows have an ``ID``."""
    return _other(path, rows, key=("ID",), **known)


def _camel(path: str, rows: str = "", **known: Any) -> ListMethod:
    """A list whose rows have an ``id``."""
    return _other(path, rows, key=("id",), id="id", **known)


_CRM = {
    "crm.activity.badge.list": _other(
        "crm/timeline/activities/configurable/badges/crm-activity-badge-list",
        "badges",
        paging="all",
        takes="",
    ),
    "crm.activity.binding.list": _other(
        "crm/timeline/activities/binding/crm-activity-binding-list", paging="all", takes=""
    ),
    "crm.activity.list": _upper(
        "crm/timeline/activities/activity-base/crm-activity-list", keyset=True, fields="crm.activity.fields"
    ),
    "crm.activity.type.list": _other(
        "crm/timeline/activities/types/crm-activity-type-list", paging="all", takes=""
    ),
    # An address has no id; answers have come with a total of 50 and without `next` although there were more.
    "crm.address.list": _other(
        "crm/requisites/addresses/crm-address-list",
        key=("TYPE_ID", "ENTITY_TYPE_ID", "ENTITY_ID"),
        fields="crm.address.fields",
    ),
    "crm.automatedsolution.list": _camel(
        "crm/automated-solution/crm-automated-solution-list",
        "automatedSolutions",
        takes="filter order",
        fields="crm.automatedsolution.fields",
    ),
    "crm.automation.trigger.list": _other(
        "crm/automation/triggers/crm-automation-trigger-list", paging="all", takes=""
    ),
    "crm.calllist.items.get": _other("crm/call-list/crm-calllist-items-get", paging="all", takes="FILTER"),
    "crm.calllist.list": _upper("crm/call-list/crm-calllist-list", paging="all", takes="FILTER ORDER SELECT"),
    "crm.calllist.statuslist": _upper("crm/call-list/crm-calllist-statuslist", paging="all", takes=""),
    "crm.category.list": _camel(
        "crm/universal/category/crm-category-list",
        "categories",
        paging="all",
        takes="",
        fields="crm.category.fields/fields",
    ),
    "crm.company.contact.items.get": _other(
        "crm/companies/contacts/crm-company-contact-items-get",
        paging="all",
        takes="",
        key=("CONTACT_ID",),
        id="CONTACT_ID",
    ),
    "crm.company.list": _upper("crm/companies/crm-company-list", keyset=True, fields="crm.company.fields"),
    "crm.company.userfield.list": _upper(
        "crm/companies/userfields/crm-company-userfield-list", paging="all", takes="filter order"
    ),
    "crm.contact.company.items.get": _other(
        "crm/contacts/company/crm-contact-company-items-get",
        paging="all",
        takes="",
        key=("COMPANY_ID",),
        id="COMPANY_ID",
    ),
    "crm.contact.list": _upper("crm/contacts/crm-contact-list", keyset=True, fields="crm.contact.fields"),
    "crm.contact.userfield.list": _upper(
        "crm/contacts/userfield/crm-contact-userfield-list", paging="all", takes="filter order"
    ),
    "crm.currency.list": _other(
        "crm/currency/crm-currency-list",
        paging="all",
        takes="order",
        key=("CURRENCY",),
        id="CURRENCY",
        fields="crm.currency.fields",
    ),
    "crm.deal.contact.items.get": _other(
        "crm/deals/contacts/crm-deal-contact-items-get",
        paging="all",
        takes="",
        key=("CONTACT_ID",),
        id="CONTACT_ID",
    ),
    "crm.deal.list": _upper("crm/deals/crm-deal-list", keyset=True, fields="crm.deal.fields"),
    "crm.deal.productrows.get": _upper("crm/deals/crm-deal-productrows-get", paging="all", takes=""),
    "crm.deal.recurring.list": _upper(
        "crm/deals/recurring-deals/crm-deal-recurring-list",
        takes="filter order",
        fields="crm.deal.recurring.fields",
    ),
    "crm.deal.userfield.list": _upper(
        "crm/deals/user-defined-fields/crm-deal-userfield-list", paging="all", takes="filter order"
    ),
    "crm.documentgenerator.document.list": _camel(
        "crm/document-generator/documents/crm-document-generator-document-list", "documents"
    ),
    "crm.documentgenerator.numerator.list": _camel(
        "crm/document-generator/numerator/crm-document-generator-numerator-list", "numerators", takes=""
    ),
    "crm.documentgenerator.template.list": _camel(
        "crm/document-generator/templates/crm-document-generator-template-list", "templates"
    ),
    "crm.duplicate.volatiletype.list": _camel(
        "crm/duplicates/volatile-type/crm-duplicate-volatile-type-list", paging="all", takes=""
    ),
    "crm.enum.addresstype": _upper(
        "crm/auxiliary/enum/crm-enum-address-type", paging="all", takes="", fields="crm.enum.fields"
    ),
    "crm.enum.getorderownertypes": _camel(
        "crm/auxiliary/enum/crm-enum-get-order-owner-types", paging="all", takes="", fields="crm.enum.fields"
    ),
    "crm.enum.ownertype": _upper(
        "crm/auxiliary/enum/crm-enum-owner-type", paging="all", takes="", fields="crm.enum.fields"
    ),
    "crm.item.delivery.list": _camel(
        "crm/universal/delivery/crm-item-delivery-list", paging="all", takes="filter order"
    ),
    # Filter and order by id with start -1: named in "How to Retrieve Large Volumes of Data".
    "crm.item.list": _camel(
        "crm/universal/crm-item-list", "items", keyset=True, nests=True, fields="crm.item.fields/fields"
    ),
    "crm.item.payment.delivery.list": _camel(
        "crm/universal/payment/delivery-in-payment/crm-item-payment-delivery-list",
        paging="all",
        takes="filter order",
    ),
    "crm.item.payment.list": _camel(
        "crm/universal/payment/crm-item-payment-list", paging="all", takes="filter order"
    ),
    "crm.item.payment.product.list": _camel(
        "crm/universal/payment/products-in-payment/crm-item-payment-product-list",
        paging="all",
        takes="filter order",
    ),
    "crm.item.productrow.list": _camel(
        "crm/universal/product-rows/crm-item-productrow-list",
        "productRows",
        takes="filter order",
        fields="crm.item.productrow.fields/fields",
    ),
    "crm.lead.contact.items.get": _other(
        "crm/leads/management-communication/crm-lead-contact-items-get",
        paging="all",
        takes="",
        key=("CONTACT_ID",),
        id="CONTACT_ID",
    ),
    "crm.lead.list": _upper("crm/leads/crm-lead-list", keyset=True, fields="crm.lead.fields"),
    "crm.lead.productrows.get": _upper("crm/leads/crm-lead-productrows-get", paging="all", takes=""),
    "crm.lead.userfield.list": _upper(
        "crm/leads/userfield/crm-lead-userfield-list", paging="all", takes="filter order"
    ),
    "crm.orderentity.list": _other(
        "crm/universal/order-entity/crm-order-entity-list",
        "orderEntity",
        key=("orderId", "ownerId", "ownerTypeId"),
        fields="crm.orderentity.getFields/orderEntity",
    ),
    "crm.quote.contact.items.get": _other(
        "crm/quote/contacts/crm-quote-contact-items-get",
        paging="all",
        takes="",
        key=("CONTACT_ID",),
        id="CONTACT_ID",
    ),
    "crm.quote.list": _upper("crm/quote/crm-quote-list", keyset=True, fields="crm.quote.fields"),
    "crm.quote.productrows.get": _upper("crm/quote/crm-quote-product-rows-get", paging="all", takes=""),
    "crm.quote.userfield.list": _upper(
        "crm/quote/user-field/crm-quote-user-field-list", paging="all", takes="filter order"
    ),
    "crm.requisite.bankdetail.list": _upper(
        "crm/requisites/bank-detail/crm-requisite-bank-detail-list", fields="crm.requisite.bankdetail.fields"
    ),
    "crm.requisite.link.list": _other(
        "crm/requisites/links/crm-requisite-link-list",
        key=("ENTITY_TYPE_ID", "ENTITY_ID"),
        fields="crm.requisite.link.fields",
    ),
    "crm.requisite.list": _upper(
        "crm/requisites/universal/crm-requisite-list", keyset=True, fields="crm.requisite.fields"
    ),
    "crm.requisite.preset.field.list": _upper(
        "crm/requisites/presets/fields/crm-requisite-preset-field-list",
        paging="all",
        takes="",
        fields="crm.requisite.preset.field.fields",
    ),
    "crm.requisite.preset.list": _upper(
        "crm/requisites/presets/crm-requisite-preset-list", fields="crm.requisite.preset.fields"
    ),
    "crm.requisite.userfield.list": _upper(
        "crm/requisites/user-fields/crm-requisite-userfield-list", paging="all", takes="filter order"
    ),
    "crm.stagehistory.list": _upper("crm/crm-stage-history-list", "items", keyset=True),
    "crm.status.entity.items": _other(
        "crm/status/crm-status-entity-items", paging="all", takes="", key=("STATUS_ID",), id="STATUS_ID"
    ),
    "crm.status.list": _upper(
        "crm/status/crm-status-list", paging="all", takes="filter order", fields="crm.status.fields"
    ),
    "crm.timeline.bindings.list": _other(
        "crm/timeline/bindings/crm-timeline-bindings-list",
        paging="all",
        takes="filter",
        key=("OWNER_ID", "ENTITY_ID", "ENTITY_TYPE"),
        fields="crm.timeline.bindings.fields",
    ),
    "crm.timeline.comment.list": _upper(
        "crm/timeline/comments/crm-timeline-comment-list", fields="crm.timeline.comment.fields"
    ),
    "crm.timeline.icon.list": _other(
        "crm/timeline/logmessage/icons/crm-timeline-icon-list",
        "icons",
        paging="all",
        takes="",
        key=("code",),
        id="code",
    ),
    "crm.timeline.logmessage.list": _camel(
        "crm/timeline/logmessage/crm-timeline-logmessage-list", takes="order"
    ),
    "crm.timeline.logo.list": _other(
        "crm/timeline/logmessage/logo/crm-timeline-logo-list",
        "logos",
        paging="all",
        takes="",
        key=("code",),
        id="code",
    ),
    "crm.type.list": _camel(
        "crm/universal/user-defined-object-types/crm-type-list",
        "types",
        takes="filter order",
        fields="crm.type.fields/fields",
    ),
    "crm.userfield.types": _upper(
        "crm/universal/user-defined-fields/crm-userfield-types",
        paging="all",
        takes="",
        fields="crm.userfield.fields",
    ),
    "crm.vat.list": _upper("crm/outdated/vat/crm-vat-list", paging="all", fields="crm.vat.fields"),
}

_CATALOG = {
    "catalog.catalog.list": _camel(
        "catalog/catalog/catalog-catalog-list", "catalogs", fields="catalog.catalog.getFields/catalog"
    ),
    "catalog.document.element.list": _camel(
        "catalog/document/document-element/catalog-document-element-list",
        "documentElements",
        fields="catalog.document.element.getFields/documentElement",
    ),
    "catalog.document.list": _camel(
        "catalog/document/catalog-document-list", "documents", fields="catalog.document.getFields/document"
    ),
    "catalog.documentcontractor.list": _camel(
        "catalog/documentcontractor/catalog-documentcontractor-list",
        "documentContractor",
        fields="catalog.documentcontractor.getFields/documentContractor",
    ),
    "catalog.enum.getroundtypes": _camel(
        "catalog/enum/catalog-enum-get-round-types", "enum", paging="all", takes=""
    ),
    "catalog.enum.getstoredocumenttypes": _camel(
        "catalog/enum/catalog-enum-get-store-document-types", "enum", paging="all", takes=""
    ),
    "catalog.extra.list": _camel(
        "catalog/extra/catalog-extra-list", "extras", fields="catalog.extra.getFields/extra"
    ),
    "catalog.measure.list": _camel(
        "catalog/measure/catalog-measure-list", "measures", fields="catalog.measure.getFields/measure"
    ),
    "catalog.price.list": _camel(
        "catalog/price/catalog-price-list", "prices", fields="catalog.price.getFields/price"
    ),
    "catalog.pricetype.list": _camel(
        "catalog/price-type/catalog-price-type-list",
        "priceTypes",
        fields="catalog.priceType.getFields/priceType",
    ),
    "catalog.pricetypegroup.list": _camel(
        "catalog/price-type/price-type-group/catalog-price-type-group-list",
        "priceTypeGroups",
        fields="catalog.priceTypeGroup.getFields/priceTypeGroup",
    ),
    "catalog.pricetypelang.getlanguages": _other(
        "catalog/price-type/price-type-lang/catalog-price-type-lang-get-languages",
        "languages",
        paging="all",
        takes="",
        key=("lid",),
        id="lid",
    ),
    "catalog.pricetypelang.list": _other(
        "catalog/price-type/price-type-lang/catalog-price-type-lang-list",
        "priceTypeLangs",
        fields="catalog.priceTypeLang.getFields/priceTypeLang",
    ),
    "catalog.product.list": _camel(
        "catalog/product/catalog-product-list", "products", fields="catalog.product.getFieldsByFilter/product"
    ),
    "catalog.product.offer.list": _camel(
        "catalog/product/offer/catalog-product-offer-list",
        "offers",
        fields="catalog.product.offer.getFieldsByFilter/offer",
    ),
    "catalog.product.service.list": _camel(
        "catalog/product/service/catalog-product-service-list",
        "services",
        fields="catalog.product.service.getFieldsByFilter/service",
    ),
    "catalog.product.sku.list": _camel(
        "catalog/product/sku/catalog-product-sku-list",
        "units",
        fields="catalog.product.sku.getFieldsByFilter/sku",
    ),
    "catalog.productimage.list": _camel(
        "catalog/product-image/catalog-product-image-list",
        "productImages",
        paging="all",
        takes="select",
        fields="catalog.productImage.getFields/productImage",
    ),
    "catalog.productproperty.list": _camel(
        "catalog/product-property/catalog-product-property-list",
        "productProperties",
        fields="catalog.productProperty.getFields/productProperty",
    ),
    "catalog.productpropertyenum.list": _camel(
        "catalog/product-property-enum/catalog-product-property-enum-list",
        "productPropertyEnums",
        fields="catalog.productPropertyEnum.getFields/productPropertyEnum",
    ),
    "catalog.productpropertyfeature.list": _camel(
        "catalog/product-property-feature/catalog-product-property-feature-list",
        "productPropertyFeatures",
        fields="catalog.productPropertyFeature.getFields/productPropertyFeature",
    ),
    "catalog.productpropertysection.list": _other(
        "catalog/product-property-section/catalog-product-property-section-list",
        "productPropertySections",
        key=("propertyId",),
        id="propertyId",
    ),
    "catalog.ratio.list": _camel(
        "catalog/ratio/catalog-ratio-list", "ratios", fields="catalog.ratio.getFields/ratio"
    ),
    "catalog.roundingrule.list": _camel(
        "catalog/rounding-rule/catalog-rounding-rule-list",
        "roundingRules",
        fields="catalog.roundingRule.getFields/roundingRule",
    ),
    "catalog.section.list": _camel(
        "catalog/section/catalog-section-list", "sections", fields="catalog.section.getFields/section"
    ),
    "catalog.store.list": _camel(
        "catalog/store/catalog-store-list", "stores", fields="catalog.store.getFields/store"
    ),
    "catalog.storeproduct.list": _camel(
        "catalog/store-product/catalog-store-product-list",
        "storeProducts",
        fields="catalog.storeproduct.getFields/storeProduct",
    ),
    "catalog.userfield.document.list": _other(
        "catalog/userfield-document/catalog-userfield-document-list",
        "documents",
        key=("documentId",),
        id="documentId",
    ),
    "catalog.vat.list": _camel("catalog/vat/catalog-vat-list", "vats", fields="catalog.vat.getFields/vat"),
}

_SHOP = {
    "sale.basketitem.list": _camel("sale/basket-item/sale-basket-item-list", "basketItems"),
    "sale.basketproperties.list": _camel(
        "sale/basket-properties/sale-basket-properties-list",
        "basketProperties",
        fields="sale.basketproperties.getFields/basketProperties",
    ),
    "sale.businessvaluepersondomain.list": _other(
        "sale/business-value-person-domain/sale-business-value-person-domain-list",
        "businessValuePersonDomains",
        fields="sale.businessValuePersonDomain.getFields/businessValuePersonDomain",
    ),
    "sale.cashbox.handler.list": _upper("sale/cashbox/sale-cashbox-handler-list", paging="all", takes=""),
    "sale.cashbox.list": _upper("sale/cashbox/sale-cashbox-list", paging="all", takes="FILTER ORDER SELECT"),
    "sale.delivery.config.get": _other(
        "sale/delivery/delivery/sale-delivery-config-get", paging="all", takes=""
    ),
    "sale.delivery.extra.service.get": _upper(
        "sale/delivery/extra-service/sale-delivery-extra-service-get", paging="all", takes=""
    ),
    "sale.delivery.getlist": _upper(
        "sale/delivery/delivery/sale-delivery-get-list", paging="all", takes="FILTER ORDER SELECT"
    ),
    "sale.delivery.handler.list": _upper(
        "sale/delivery/handler/sale-delivery-handler-list", paging="all", takes=""
    ),
    "sale.order.list": _camel("sale/order/sale-order-list", "orders", fields="sale.order.getFields/order"),
    "sale.payment.list": _camel(
        "sale/payment/sale-payment-list", "payments", fields="sale.payment.getFields/payment"
    ),
    "sale.paymentitembasket.list": _camel(
        "sale/payment-item-basket/sale-payment-item-basket-list",
        "paymentItemsBasket",
        fields="sale.paymentitembasket.getfields/paymentItemBasket",
    ),
    "sale.paymentitemshipment.list": _camel(
        "sale/payment-item-shipment/sale-payment-item-shipment-list",
        "paymentItemsShipment",
        fields="sale.paymentItemShipment.getFields/paymentItemShipment",
    ),
    "sale.paysystem.handler.list": _upper("pay-system/sale-pay-system-handler-list", paging="all", takes=""),
    "sale.paysystem.list": _upper(
        "pay-system/sale-pay-system-list", paging="all", takes="FILTER ORDER SELECT"
    ),
    "sale.persontype.list": _camel(
        "sale/person-type/sale-person-type-list", "personTypes", fields="sale.persontype.getFields/personType"
    ),
    "sale.property.list": _camel("sale/property/sale-property-list", "properties"),
    "sale.propertygroup.list": _camel(
        "sale/property-group/sale-property-group-list",
        "propertyGroups",
        fields="sale.propertygroup.getFields/propertyGroup",
    ),
    "sale.propertyrelation.list": _other(
        "sale/property-relation/sale-property-relation-list",
        "propertyRelations",
        fields="sale.propertyRelation.getFields/propertyRelation",
    ),
    "sale.propertyvalue.list": _camel(
        "sale/property-value/sale-property-value-list",
        "propertyValues",
        fields="sale.propertyvalue.getfields/propertyValue",
    ),
    "sale.propertyvariant.list": _camel(
        "sale/property-variant/sale-property-variant-list",
        "propertyVariants",
        fields="sale.propertyvariant.getFields/propertyVariant",
    ),
    "sale.shipment.list": _camel(
        "sale/shipment/sale-shipment-list", "shipments", fields="sale.shipment.getFields/shipment"
    ),
    "sale.shipmentitem.list": _camel(
        "sale/shipment-item/sale-shipment-item-list",
        "shipmentItems",
        fields="sale.shipmentitem.getfields/shipmentItem",
    ),
    "sale.shipmentproperty.list": _camel("sale/shipment-property/sale-shipment-property-list", "properties"),
    "sale.shipmentpropertyvalue.list": _camel(
        "sale/shipment-property-value/sale-shipment-property-value-list",
        "propertyValues",
        fields="sale.shipmentpropertyvalue.getfields/propertyValue",
    ),
    "sale.status.list": _camel(
        "sale/status/sale-status-list", "statuses", fields="sale.status.getFields/status"
    ),
    "sale.statuslang.getlistlangs": _other(
        "sale/status-lang/sale-status-lang-get-list-langs",
        "langs",
        paging="all",
        takes="",
        key=("lid",),
        id="lid",
    ),
    "sale.statuslang.list": _other(
        "sale/status-lang/sale-status-lang-list", "statusLangs", fields="sale.statusLang.getFields/statusLang"
    ),
    "sale.tradebinding.list": _other(
        "sale/trade-binding/sale-trade-binding-list",
        "tradeBindings",
        fields="sale.tradeBinding.getFields/tradeBinding",
    ),
    "sale.tradeplatform.list": _camel(
        "sale/trade-platform/sale-trade-platform-list",
        "tradePlatforms",
        fields="sale.tradePlatform.getFields/tradePlatform",
    ),
}

_TASKS = {
    "task.checklistitem.getlist": _upper(
        "tasks/checklist-item/task-checklist-item-get-list", paging="all", takes="ORDER"
    ),
    "task.commentitem.getlist": _upper(
        "tasks/comment-item/task-comment-item-get-list", paging="all", takes="FILTER ORDER"
    ),
    # Parameters are taken by position, so that none before PARAMS may be left out.
    "task.elapseditem.getlist": _upper(
        "tasks/elapsed-item/task-elapsed-item-get-list", paging="NAV_PARAMS", takes="FILTER ORDER SELECT"
    ),
    "task.item.userfield.getlist": _upper(
        "tasks/user-field/task-item-user-field-get-list",
        paging="all",
        takes="FILTER ORDER",
        fields="task.item.userfield.getfields",
    ),
    "task.item.userfield.gettypes": _upper(
        "tasks/user-field/task-item-user-field-get-types", paging="all", takes=""
    ),
    "task.planner.getlist": _other("tasks/planner/task-planner-get-list", paging="all", takes=""),
    "tasks.api.scrum.epic.list": _camel("sonet-group/scrum/epic/tasks-api-scrum-epic-list"),
    "tasks.api.scrum.kanban.getstages": _camel(
        "sonet-group/scrum/kanban/tasks-api-scrum-kanban-get-stages",
        paging="all",
        takes="",
        fields="tasks.api.scrum.kanban.getFields/fields",
    ),
    "tasks.api.scrum.sprint.list": _camel(
        "sonet-group/scrum/sprint/tasks-api-scrum-sprint-list",
        fields="tasks.api.scrum.sprint.getFields/fields",
    ),
    "tasks.task.history.list": _camel(
        "tasks/tasks-task-history-list", "list", paging="all", takes="filter order"
    ),
    "tasks.task.list": _other(
        "tasks/tasks-task-list", "tasks", key=("id",), keyset=True, fields="tasks.task.getFields/fields"
    ),
    "tasks.task.result.list": _camel("tasks/result/tasks-task-result-list", paging="all", takes=""),
}

_USERS_AND_DEPARTMENTS = {
    # Conditions are parameters of their own; SORT may be one of them, beside sort.
    "department.get": _upper(
        "departments/department-get", takes="", options=("sort", "order", "start"), fields="department.fields"
    ),
    "user.get": _upper(
        "user/user-get",
        takes="FILTER order select",
        keyset=True,
        sort="sort",
        options=USER_OPTIONS,
        fields="user.fields",
    ),
    "user.search": _upper(
        "user/user-search",
        takes="FILTER order select",
        sort="sort",
        options=USER_OPTIONS,
        fields="user.fields",
    ),
    "user.userfield.list": _upper("user/userfields/user-userfield-list", paging="all", takes="filter order"),
    "userconsent.agreement.list": _upper("user-consent/user-consent-agreement-list", paging="all", takes=""),
    "userfieldconfig.list": _camel("crm/universal/userfieldconfig/userfieldconfig-list", "fields"),
    "userfieldtype.list": _other(
        "widgets/user-field/userfieldtype-list",
        paging="all",
        takes="",
        key=("USER_TYPE_ID",),
        id="USER_TYPE_ID",
    ),
}

_HR_AND_SIGNING = {
    "humanresources.hcmlink.company.list": _camel(
        "sign/hcm-link/humanresources-hcmlink-company-list", paging="offset", takes=""
    ),
    "humanresources.hcmlink.company.user.list": _camel(
        "sign/hcm-link/humanresources-hcmlink-company-user-list", paging="offset", takes=""
    ),
    "humanresources.hcmlink.employee.list": _camel(
        "sign/hcm-link/humanresources-hcmlink-employee-list", paging="offset", takes=""
    ),
    "sign.b2e.company.provider.list": _other(
        "sign/sign-b2e-company-provider-list", paging="offset", takes=""
    ),
    "sign.b2e.mysafe.tail": _camel("sign/sign-b2e-mysafe-tail", paging="offset", takes=""),
    "sign.b2e.personal.tail": _camel("sign/sign-b2e-personal-tail", paging="offset", takes=""),
}

_MESSENGER = {
    "im.chat.user.list": _other("chats/chat-users/im-chat-user-list", paging="all", takes=""),
    "im.department.colleagues.list": _other(
        "chats/departments/im-department-colleagues-list", paging="OFFSET", takes=""
    ),
    "im.department.get": _camel("chats/departments/im-department-get", paging="all", takes=""),
    "im.dialog.messages.get": _other(
        "chats/messages/im-dialog-messages-get",
        "messages",
        paging="refused",
        takes="",
        pages_by="LAST_ID, the lowest id read so far, and LIMIT",
    ),
    "im.dialog.messages.search": _other(
        "chats/messages/im-dialog-messages-search",
        "messages",
        paging="refused",
        takes="ORDER",
        pages_by="LAST_ID, the lowest id read so far, and LIMIT",
    ),
    "im.dialog.users.list": _camel("chats/chat-users/im-dialog-users-list", paging="OFFSET", takes=""),
    "im.notify.get": _other(
        "chats/notifications/im-notify-get",
        "notifications",
        paging="refused",
        takes="",
        pages_by="LAST_ID and LAST_TYPE of the last row, and LIMIT, at most 50",
    ),
    "im.notify.history.search": _other(
        "chats/notifications/im-notify-history-search",
        "notifications",
        paging="refused",
        takes="",
        pages_by="LAST_ID, the lowest id read so far, and LIMIT",
    ),
    "im.recent.get": _camel("chats/im-recent-get", paging="all", takes=""),
    # Pages may overlap and be short: the next one begins LIMIT rows further.
    "im.recent.list": _camel("chats/im-recent-list", "items", paging="OFFSET", takes=""),
    "im.search.chat.list": _camel("chats/search/im-search-chat-list", paging="OFFSET", takes=""),
    "im.search.department.list": _camel("chats/search/im-search-department-list", paging="OFFSET", takes=""),
    "im.search.last.get": _camel("chats/search/im-search-last-get", paging="all", takes=""),
    "im.search.user.list": _camel("chats/search/im-search-user-list", paging="OFFSET", takes=""),
    "im.user.list.get": _camel("chats/users/im-user-list-get", paging="all", takes=""),
    "im.v2.event.get": _other(
        "chat-bots/chat-bots-v2/im.v2/events/event-get",
        "events",
        paging="refused",
        takes="",
        pages_by="offset, the nextOffset of the answer before",
    ),
    "imbot.v2.chat.user.list": _camel(
        "chat-bots/chat-bots-v2/imbot.v2/chats/chat-user-list", paging="limit", takes="order", size=200
    ),
    "imbot.v2.command.list": _camel(
        "chat-bots/chat-bots-v2/imbot.v2/commands/command-list", "commands", paging="all", takes=""
    ),
    "imbot.v2.event.get": _other(
        "chat-bots/chat-bots-v2/imbot.v2/events/event-get",
        "events",
        paging="refused",
        takes="",
        pages_by="offset, the nextOffset of the answer before",
    ),
    "imopenlines.config.list.get": _upper(
        "imopenlines/openlines/imopenlines-config-list-get", paging="offset", takes="", inside="PARAMS"
    ),
    "imopenlines.crm.chat.get": _other(
        "imopenlines/openlines/chats/imopenlines-crm-chat-get", paging="all", takes=""
    ),
}

_UNIVERSAL_LISTS_AND_STORAGES = {
    "entity.item.get": _upper("entity/items/entity-item-get", takes="FILTER", order="SORT"),
    "entity.item.property.get": _other(
        "entity/items/properties/entity-item-property-get", paging="all", takes=""
    ),
    "entity.section.get": _upper("entity/sections/entity-section-get", takes="FILTER", order="SORT"),
    "lists.element.get": _upper(
        "lists/elements/lists-element-get",
        takes="FILTER SELECT",
        fields="lists.field.get",
        order="ELEMENT_ORDER",
    ),
    "lists.get": _upper("lists/lists/lists-get", takes=""),
    "lists.section.get": _upper("lists/sections/lists-section-get", takes="FILTER SELECT"),
}

_DRIVE = {
    "disk.file.getversions": _upper("disk/file/disk-file-get-versions", takes="filter"),
    # A start above 1000 counts as 1000: what lies behind cannot be read, and is an error.
    "disk.file.search": _upper("disk/file/disk-file-search", takes="FILTER"),
    "disk.folder.getchildren": _upper("disk/folder/disk-folder-get-children", takes="filter order"),
    "disk.rights.gettasks": _upper("disk/rights/disk-rights-get-tasks", paging="all", takes=""),
    "disk.storage.getchildren": _upper("disk/storage/disk-storage-get-children", takes="filter order"),
    "disk.storage.getlist": _upper(
        "disk/storage/disk-storage-get-list", takes="filter order", fields="disk.storage.getFields"
    ),
    "disk.storage.gettypes": _other(
        "disk/storage/disk-storage-get-types", paging="all", takes="", fields="disk.storage.getFields"
    ),
}

_BUSINESS_PROCESSES = {
    "bizproc.activity.list": _other("bizproc/bizproc-activity/bizproc-activity-list", paging="all", takes=""),
    "bizproc.robot.list": _other("bizproc/bizproc-robot/bizproc-robot-list", paging="all", takes=""),
    "bizproc.task.list": _upper("bizproc/bizproc-task/bizproc-task-list", takes="FILTER ORDER SELECT"),
    "bizproc.workflow.instances": _upper("bizproc/bizproc-workflow-instances", takes="FILTER ORDER SELECT"),
    "bizproc.workflow.template.list": _upper(
        "bizproc/template/bizproc-workflow-template-list", takes="FILTER ORDER SELECT"
    ),
}

_BOOKING_AND_CALENDAR = {
    "booking.v1.booking.client.list": _camel(
        "booking/booking/client/booking-v1-booking-client-list", "bookingClient", paging="all", takes=""
    ),
    "booking.v1.booking.externaldata.list": _other(
        "booking/booking/external-data/booking-v1-booking-externaldata-list",
        "externalData",
        paging="all",
        takes="",
    ),
    # Documented without paging; the server pages by start and counts nothing.
    "booking.v1.booking.list": _camel(
        "booking/booking/booking-v1-booking-list", "booking", takes="FILTER ORDER"
    ),
    "booking.v1.clienttype.list": _other(
        "booking/booking-v1-clienttype-list", "clientType", paging="all", takes=""
    ),
    "booking.v1.resource.list": _camel(
        "booking/resource/booking-v1-resource-list", "resource", takes="FILTER ORDER"
    ),
    "booking.v1.resource.slots.list": _camel(
        "booking/resource/slots/booking-v1-resource-slots-list", "slots", paging="all", takes=""
    ),
    "booking.v1.resourcetype.list": _camel(
        "booking/resource/resource-type/booking-v1-resourcetype-list", "resource", takes="FILTER ORDER"
    ),
    "booking.v1.waitlist.client.list": _camel(
        "booking/waitlist/client/booking-v1-waitlist-client-list", "waitListClient", paging="all", takes=""
    ),
    "booking.v1.waitlist.externaldata.list": _other(
        "booking/waitlist/external-data/booking-v1-waitlist-externaldata-list",
        "externalData",
        paging="all",
        takes="",
    ),
    "booking.v1.waitlist.list": _camel(
        "booking/waitlist/booking-v1-waitlist-list", "waitList", takes="filter"
    ),
    "calendar.event.get": _upper("calendar/calendar-event/calendar-event-get", paging="all", takes=""),
    "calendar.resource.booking.list": _upper(
        "calendar/resource/calendar-resource-booking-list", paging="all", takes="filter"
    ),
    "calendar.resource.list": _upper("calendar/resource/calendar-resource-list", paging="all", takes=""),
}

_SITES = {
    "landing.block.getlist": _camel("landing/block/methods/landing-block-get-list", paging="all", takes=""),
    "landing.demos.getlist": _upper(
        "landing/demos/landing-demos-get-list", paging="offset", takes="", inside="params"
    ),
    "landing.landing.getlist": _upper(
        "landing/page/methods/landing-landing-get-list", paging="offset", takes="", inside="params"
    ),
    "landing.repo.getlist": _upper(
        "landing/user-blocks/landing-repo-get-list", paging="offset", takes="", inside="params"
    ),
    "landing.role.getlist": _upper("landing/rights/role-model/landing-role-get-list", paging="all", takes=""),
    "landing.site.getlist": _upper(
        "landing/site/landing-site-get-list", paging="offset", takes="", inside="params"
    ),
    "landing.template.getlist": _upper(
        "landing/template/landing-template-get-list", paging="offset", takes="", inside="params"
    ),
}

_GROUPS_AND_FEED = {
    "log.blogcomment.user.get": _camel(
        "log/blogcomment/log-blogcomment-user-get",
        "comments",
        paging="refused",
        takes="",
        pages_by="LAST_ID, the lowest id read so far, and LIMIT, at most 100 comments",
    ),
    "log.blogpost.get": _upper("log/log-blogpost-get", takes=""),
    "socialnetwork.api.workgroup.list": _camel("sonet-group/socialnetwork-api-workgroup-list", "workgroups"),
    "sonet_group.get": _upper("sonet-group/sonet-group-get", takes="FILTER ORDER"),
    "sonet_group.user.get": _other(
        "sonet-group/members/sonet-group-user-get", paging="all", takes="", key=("USER_ID",), id="USER_ID"
    ),
}

_TELEPHONY = {
    "telephony.externalline.get": _other("telephony/telephony-external-line-get", paging="all", takes=""),
    "voximplant.sip.get": _other(
        "telephony/voximplant/sip/voximplant-sip-get",
        takes="FILTER ORDER",
        key=("CONFIG_ID",),
        id="CONFIG_ID",
        sort="SORT",
    ),
    "voximplant.statistic.get": _upper(
        "telephony/voximplant/voximplant-statistic-get", takes="FILTER ORDER", keyset=True, sort="SORT"
    ),
    "voximplant.user.get": _upper("telephony/voximplant/users/voximplant-user-get", paging="all", takes=""),
}

_EVERYTHING_ELSE = {
    "ai.engine.list": _camel("ai/ai-engine-list", paging="limit", takes="filter", size=1000),
    "biconnector.connector.list": _camel(
        "biconnector/connector/biconnector-connector-list",
        paging="page",
        fields="biconnector.connector.fields/fields",
    ),
    "biconnector.dataset.list": _camel(
        "biconnector/dataset/biconnector-dataset-list",
        paging="page",
        fields="biconnector.dataset.fields/fields",
    ),
    "biconnector.source.list": _camel(
        "biconnector/source/biconnector-source-list", paging="page", fields="biconnector.source.fields/fields"
    ),
    "documentgenerator.document.list": _camel(
        "document-generator/document-generator-document-list", "documents"
    ),
    "documentgenerator.numerator.list": _camel(
        "document-generator/numerators/document-generator-numerator-list", "numerators", takes=""
    ),
    "documentgenerator.role.list": _camel(
        "document-generator/role/document-generator-role-list", "roles", takes=""
    ),
    "event.get": _other("events/event-get", paging="all", takes=""),
    "event.offline.list": _upper("events/event-offline-list", takes="filter order"),
    "mailservice.list": _upper(
        "mailservice/mailservice-list", paging="all", takes="", fields="mailservice.fields"
    ),
    "messageservice.sender.list": _other("messageservice/messageservice-sender-list", paging="all", takes=""),
    "placement.get": _other("widgets/placement-get", paging="all", takes=""),
    "placement.list": _other("widgets/placement-list", paging="all", takes=""),
    "timeman.networkrange.get": _other(
        "timeman/networkrange/timeman-networkrange-get", paging="all", takes=""
    ),
    "timeman.timecontrol.reports.users.get": _camel(
        "timeman/timecontrol/timeman-timecontrol-reports-users-get", paging="all", takes=""
    ),
}

TABLE: dict[str, ListMethod] = {
    **_CRM,
    **_CATALOG,
    **_SHOP,
    **_TASKS,
    **_USERS_AND_DEPARTMENTS,
    **_HR_AND_SIGNING,
    **_MESSENGER,
    **_UNIVERSAL_LISTS_AND_STORAGES,
    **_DRIVE,
    **_BUSINESS_PROCESSES,
    **_BOOKING_AND_CALENDAR,
    **_SITES,
    **_GROUPS_AND_FEED,
    **_TELEPHONY,
    **_EVERYTHING_ELSE,
}
"""Every list method that is known, by its name in lower case."""
