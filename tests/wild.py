"""Values that people pass by mistake or by a template, for tests of what is refused."""

import datetime
import decimal

from hypothesis import strategies as st

from airflow_provider_b24.crm.bindings import CompanyBinding


class Stranger:
    """An object nobody knows, such as an XComArg in a field that is no template."""


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 8, 82, 2**63])
    | st.floats()
    | st.text()
    | st.sampled_from(["82", "8", "Y", "[8]", "{}", "[[", "{{ ti }}", "\ud800", "9" * 4000, "profile"])
    | st.binary()
    | st.dates()
    | st.decimals()
    | st.builds(Stranger)
    | st.builds(CompanyBinding, st.integers(), st.none() | st.text(), st.none() | st.floats())
)
keys = st.sampled_from(["COMPANY_ID", "company_id", "IS_PRIMARY", "SORT", "contact_id", "items", "id", "x"])
wild = st.recursive(
    leaves,
    lambda children: (
        st.lists(children, max_size=3)
        | st.tuples(children, children)
        | st.dictionaries(keys | st.text() | st.none() | st.integers(), children, max_size=3)
        | st.frozensets(st.integers() | st.text(), max_size=2)
        | st.builds(iter, st.lists(children, max_size=2))
    ),
    max_leaves=6,
)
ODD = [
    datetime.date(2026, 1, 1),
    decimal.Decimal(82),
    Stranger(),
    Stranger,
    b"82",
    {8},
    frozenset({8}),
    object,
    type,
    print,
    iter([8]),
    "9" * 4000,
    float("nan"),
    float("inf"),
    1.5,
    "",
    " ",
    "\ud800",
    True,
    None,
    -1,
    0,
]
