"""The hook's methods as tools of an agent, with the real package; the model is a script."""

import asyncio

import pytest

pytest.importorskip("airflow.providers.common.ai", reason="needs apache-airflow-providers-common-ai")
pytestmark = pytest.mark.airflow


@pytest.fixture
def ask(bitrix24_conn, airflow_console):
    """Let a model call one tool; return the tools it was offered and what the tool answered."""
    from airflow.providers.common.ai.toolsets.hook import HookToolset
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

    def run(methods, name, arguments):
        offered, answers = {}, []

        def model(messages, info):
            offered.update({tool.name: tool for tool in info.function_tools})
            answers.extend(
                part.content for one in messages for part in one.parts if isinstance(part, ToolReturnPart)
            )
            if answers:
                return ModelResponse(parts=[TextPart("done")])
            return ModelResponse(parts=[ToolCallPart(name, arguments)])

        toolset = HookToolset(Bitrix24Hook(bitrix24_conn), allowed_methods=methods)
        asyncio.run(Agent(FunctionModel(model), toolsets=[toolset]).run("go"))
        return offered, answers[0]

    return run


def test_an_agent_reads_any_record(ask):
    offered, answer = ask(
        ["read"], "read", {"method": "crm.item.get", "params": {"entityTypeId": 3, "id": 82}}
    )
    assert '"id": 82' in answer
    tool = offered["read"]
    assert tool.description.startswith("Call a REST method that only reads")
    assert tool.parameters_json_schema["required"] == ["method"]
    assert "crm.item.get" in tool.parameters_json_schema["properties"]["method"]["description"]


@pytest.mark.parametrize(
    "method", ["crm.item.update", "crm.contact.company.items.set", "batch", "im.message.add"]
)
def test_an_agent_that_may_only_read_cannot_write(ask, portal, method):
    from airflow_provider_b24.errors import Bitrix24InputError

    with pytest.raises(Bitrix24InputError, match="only reads"):
        ask(["read"], "read", {"method": method, "params": {"id": 82}})
    assert portal.requests == 0


def test_a_method_that_was_not_allowed_is_not_offered(ask):
    offered, _ = ask(["get_contact_companies"], "get_contact_companies", {"contact_id": 82})
    assert list(offered) == ["get_contact_companies"]


def test_an_agent_that_may_write_writes(ask, portal):
    items = [{"COMPANY_ID": 8, "IS_PRIMARY": "Y"}, {"COMPANY_ID": 9}]
    arguments = {"contact_id": 82, "items": items}
    offered, _ = ask(["set_contact_companies"], "set_contact_companies", arguments)
    assert [row["COMPANY_ID"] for row in portal.bindings(82)] == [8, 9]
    properties = offered["set_contact_companies"].parameters_json_schema["properties"]
    assert all("description" in properties[name] for name in ("contact_id", "items", "allow_empty"))


def test_no_secret_reaches_the_model(ask):
    from airflow_provider_b24.sandbox.http.seed import DEMO_CODE

    offered, answer = ask(["read"], "read", {"method": "profile"})
    assert DEMO_CODE not in f"{offered}{answer}"
