"""Sample contacts and companies, derived from an id and a seed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

FIRST_NAMES = (
    "Amelia",
    "Mateo",
    "Yuki",
    "Noor",
    "Lukas",
    "Ingrid",
    "Tomasz",
    "Chiara",
    "Omar",
    "Aisha",
    "Felix",
    "Sofia",
    "Arjun",
    "Hanna",
    "Pierre",
    "Elif",
    "Jonas",
    "Marta",
    "Kenji",
    "Leila",
    "Daniel",
    "Camila",
    "Viktor",
    "Nadia",
    "Samuel",
    "Freya",
    "Rafael",
    "Mei",
    "Oskar",
    "Zainab",
    "Henrik",
    "Paula",
)
LAST_NAMES = (
    "Novak",
    "Fischer",
    "Tanaka",
    "Rossi",
    "Haddad",
    "Lindqvist",
    "Kowalski",
    "Moreau",
    "Okafor",
    "Petersen",
    "Silva",
    "Costa",
    "Iyer",
    "Kaya",
    "Weber",
    "Nakamura",
    "Duarte",
    "Horvat",
    "Jensen",
    "Alvarez",
    "Bianchi",
    "Eriksen",
    "Sharma",
    "Dubois",
    "Mensah",
    "Vargas",
    "Keller",
    "Sato",
    "Papadakis",
    "Brandt",
    "Laurent",
)
POSTS = (
    "Chief accountant",
    "Head of procurement",
    "Logistics manager",
    "Sales director",
    "IT administrator",
    "Quality engineer",
    "Office manager",
    "Managing director",
    "Warehouse lead",
)
FIRM_NAMES = (
    "Northwind",
    "Albatros",
    "Meridian",
    "Kestrel",
    "Solano",
    "Bergmann",
    "Castello",
    "Juniper",
    "Halden",
    "Orchid",
    "Tramontana",
    "Vega",
    "Larkspur",
    "Ostrava",
    "Pacifica",
    "Quercus",
    "Ravenna",
    "Saffron",
    "Tidewater",
    "Umbria",
    "Vistula",
    "Westfield",
    "Zephyr",
)
TRADES = (
    ("Logistics", "DELIVERY"),
    ("Foods", "OTHER"),
    ("Engineering", "MANUFACTURING"),
    ("Software", "IT"),
    ("Consulting", "CONSULTING"),
    ("Textiles", "MANUFACTURING"),
    ("Energy", "OTHER"),
    ("Print", "OTHER"),
    ("Telecom", "TELECOM"),
)
FORMS = ("GmbH", "Ltd", "S.A.", "B.V.", "AB", "Oy", "s.r.o.", "Inc.")
FIRST_DAY = date(2023, 9, 4)
FIRST_MINUTE = 8 * 60 + 30
DAY = 24 * 60
TIMES = [f"T{minute // 60:02d}:{minute % 60:02d}:00+00:00" for minute in range(DAY)]

COMMON_DEFAULTS: dict[str, Any] = {
    "COMMENTS": None,
    "OPENED": "Y",
    "ASSIGNED_BY_ID": 1,
    "CREATED_BY_ID": 1,
    "MODIFY_BY_ID": 1,
    "PHONE": "",
    "EMAIL": "",
    "HAS_PHONE": "N",
    "HAS_EMAIL": "N",
    "HAS_IMOL": "N",
}
REACHABLE = {"HAS_PHONE": "Y", "HAS_EMAIL": "Y", "HAS_IMOL": "N"}
CONTACT_DEFAULTS: dict[str, Any] = {
    "NAME": "",
    "SECOND_NAME": None,
    "LAST_NAME": "",
    "POST": None,
    "TYPE_ID": "CLIENT",
    "SOURCE_ID": "WEB",
    "EXPORT": "Y",
    **COMMON_DEFAULTS,
}
COMPANY_DEFAULTS: dict[str, Any] = {
    "TITLE": "",
    "COMPANY_TYPE": "CUSTOMER",
    "INDUSTRY": "OTHER",
    "IS_MY_COMPANY": "N",
    "REVENUE": 0.0,
    **COMMON_DEFAULTS,
}


def contact(contact_id: int, seed: int = 0) -> dict[str, Any]:
    """A contact's fields: name, post, phone, e-mail and dates."""
    number = contact_id * 7919 + seed
    name = FIRST_NAMES[number % len(FIRST_NAMES)]
    last_name = LAST_NAMES[number // 13 % len(LAST_NAMES)]
    return {
        **CONTACT_DEFAULTS,
        "NAME": name,
        "LAST_NAME": last_name,
        "POST": POSTS[number // 3 % len(POSTS)],
        "PHONE": phone(number),
        "EMAIL": f"{name}.{last_name}.{contact_id}@example.com".lower(),
        **REACHABLE,
        **stamps(contact_id),
    }


def company(company_id: int, seed: int = 0) -> dict[str, Any]:
    """A company's fields: title, industry, phone, e-mail and dates."""
    number = company_id * 6101 + seed
    firm = FIRM_NAMES[number % len(FIRM_NAMES)]
    trade, industry = TRADES[number // 7 % len(TRADES)]
    return {
        **COMPANY_DEFAULTS,
        "TITLE": f"{firm} {trade} {FORMS[number // 11 % len(FORMS)]}",
        "INDUSTRY": industry,
        "PHONE": phone(number),
        "EMAIL": f"office.{company_id}@{firm.lower()}.example",
        **REACHABLE,
        **stamps(company_id),
    }


def phone(number: int) -> str:
    """A telephone number from the range reserved for fiction."""
    return f"+1 {201 + number % 700} 555 01{number // 17 % 100:02d}"


def moment(number: int) -> str:
    """A time of 2023 or 2024 as ISO 8601, one minute later for each number."""
    day, minute = divmod(number % 500_000 + FIRST_MINUTE, DAY)
    return _day(day) + TIMES[minute]


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).isoformat()


def stamps(number: int) -> dict[str, Any]:
    """The times of creation, modification and last activity of a sample record."""
    made = moment(number)
    return {"DATE_CREATE": made, "DATE_MODIFY": made, "LAST_ACTIVITY_TIME": made, "LAST_ACTIVITY_BY": 1}
