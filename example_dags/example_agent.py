"""An AI agent answers a question with data of the portal. It may read; whether it may write is up to the DAG.

Needs the provider ``apache-airflow-providers-common-ai`` and a connection to a language model.
"""

from airflow.providers.common.ai.operators.agent import AgentOperator
from airflow.providers.common.ai.toolsets.hook import HookToolset
from airflow.providers.common.compat.sdk import Param, dag

from airflow_provider_b24.hooks.bitrix24 import Bitrix24Hook

READ = ["read", "get_contact_companies", "get_contact_company_fields"]
WRITE = ["set_contact_companies", "add_contact_company", "delete_contact_company"]
ALLOW_WRITES = False


@dag(
    schedule=None,
    tags=["bitrix24"],
    doc_md=__doc__,
    params={"question": Param("Which companies does contact 82 belong to?", type="string")},
)
def example_agent():
    tools = HookToolset(
        Bitrix24Hook("bitrix24_default"),
        allowed_methods=READ + (WRITE if ALLOW_WRITES else []),
        tool_prefix="bitrix24",
    )
    AgentOperator(
        task_id="answer",
        prompt="{{ params.question }}",
        system_prompt="You answer questions about a Bitrix24 CRM. Read a record before you speak about it.",
        llm_conn_id="pydanticai_default",
        toolsets=[tools],
    )


example_agent()
