import pytest


@pytest.fixture
def execute(airflow_console, bitrix24_conn, mocker):
    """Run an operator without a DAG: `execute(operator)` returns its result and what it pushed to XCom."""

    def run(operator):
        ti = mocker.Mock(spec_set=["xcom_push"])
        result = operator.fail_fast(operator.run, {"ti": ti})
        return result, {one.kwargs["key"]: one.kwargs["value"] for one in ti.xcom_push.call_args_list}

    return run
