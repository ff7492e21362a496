"""The fixture that other tests stand on shows what Airflow did."""

import pytest

DAG = """
    import logging
    from datetime import timedelta
    from airflow.providers.common.compat.sdk import dag, task

    @dag(schedule=None)
    def probe():
        @task
        def one():
            logging.getLogger("airflow.task").info("said by a logger")
            print("said by print")
            return [1, 2]

        @task(map_index_template="number {{ x }}")
        def each(x):
            return {"x": x}

        @task(retries=1, retry_delay=timedelta(seconds=DELAY))
        def last():
            RAISE

        each.expand(x=one()) >> last()

    probe()
"""


def test_a_run_shows_states_xcoms_labels_and_the_log(run_dag):
    run = run_dag(DAG.replace("DELAY", "0").replace("RAISE", "return 'done'"))
    assert run.state == "success"
    assert run.states == {"one": "success", "each[0]": "success", "each[1]": "success", "last": "success"}
    assert run.returned("one") == [1, 2]
    assert run.returned("each[1]") == {"x": 2}
    assert run.returned("last") == "done"
    assert run.labels["each[0]"] == "number 1"
    assert "said by a logger" in run.log
    assert "said by print" in run.log


def test_a_task_whose_next_try_is_not_due_is_up_for_retry(run_dag):
    run = run_dag(DAG.replace("DELAY", "300").replace("RAISE", "raise ValueError('broken on purpose')"))
    assert run.states["last"] == "up_for_retry"
    assert run.tries["last"] == 1
    assert "ValueError: broken on purpose" in run.log


def test_a_task_whose_next_try_is_due_is_tried_again_at_once(run_dag):
    run = run_dag(DAG.replace("DELAY", "0").replace("RAISE", "raise ValueError('broken on purpose')"))
    assert run.state == "failed"
    assert run.states["last"] == "failed"
    assert run.tries["last"] == 2
    assert run.log.count("\nValueError: broken on purpose") >= 2


def test_a_file_that_does_not_import_fails_the_test_with_its_error(run_dag):
    with pytest.raises(AssertionError, match="no_such_module"):
        run_dag("import no_such_module")
