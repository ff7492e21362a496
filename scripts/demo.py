"""Run the main example in a real Airflow against an imitation portal, and show the result."""

import json
import sys

from local_airflow import ROOT, make_environment, make_home, run_airflow, step

from airflow_provider_b24.sandbox import Portal, PortalServer, seeded_portal

DAG = "example_set_contact_companies"
CONTACT = 82
EXPECTED = [(8, "Y", 100), (9, "N", 200), (10, "N", 400)]
# The example on the documentation page of crm.contact.company.items.set.
DOCUMENTED_BODY = {
    "id": 82,
    "items": [
        {"COMPANY_ID": 8, "IS_PRIMARY": "Y", "SORT": 100},
        {"COMPANY_ID": 9, "SORT": 200},
        {"COMPANY_ID": 10, "SORT": 400},
    ],
}


def main() -> None:
    home = make_home("demo")
    log = home / "demo.log"
    portal = seeded_portal()
    with PortalServer(portal) as server:
        print(f"Imitation portal at {server.url}, Airflow in {home.relative_to(ROOT)}")
        before = read_companies(portal)
        environment = make_environment(home) | {"AIRFLOW_CONN_BITRIX24_DEFAULT": server.connection_json()}
        with step("airflow db migrate"):
            run_airflow("db", "migrate", environment=environment, log=log)
        with step(f"airflow dags test {DAG}"):
            run_airflow("dags", "test", DAG, environment=environment, log=log)
        after = read_companies(portal)

    contact = portal.contact(CONTACT) or {}
    print(f"\nThe companies of contact {CONTACT}, {contact['NAME']} {contact['LAST_NAME']}")
    print_companies("before", before, portal)
    print_companies("after", after, portal)
    writes = [entry for entry in portal.journal if entry.method.startswith("crm.contact.company.items.set")]
    print("\nThe request")
    for write in writes:
        print(f"  {write.http_method} {write.path}\n  {json.dumps(write.body)}")
    print(f"\nAirflow's output is in {log.relative_to(ROOT)}")

    if after != EXPECTED:
        sys.exit(f"Failed: expected companies {EXPECTED} for contact {CONTACT}, found {after}")
    if [(write.http_method, write.body) for write in writes] != [("POST", DOCUMENTED_BODY)]:
        sys.exit(f"Failed: expected one POST of {json.dumps(DOCUMENTED_BODY)}")
    print(f"Done: contact {CONTACT} has exactly the companies of the example in Bitrix24's documentation.")


def read_companies(portal: Portal) -> list[tuple[int, str, int]]:
    return [(row["COMPANY_ID"], row["IS_PRIMARY"], row["SORT"]) for row in portal.bindings(CONTACT)]


def print_companies(when: str, companies: list[tuple[int, str, int]], portal: Portal) -> None:
    print(f"  {when:8}{'id':>4}  {'company':28} {'primary':8} {'sort':>4}")
    for company, primary, sort in companies:
        title = (portal.company(company) or {})["TITLE"]
        print(f"  {'':8}{company:4}  {title:28} {primary:8} {sort:4}")
    if not companies:
        print(f"  {'':8}none")


if __name__ == "__main__":
    main()
