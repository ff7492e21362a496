"""A pytest plugin, ``-p tests.no_airflow``: the tests run as if Airflow were not installed."""

import sys


class NoAirflow:
    """Finds no module of Airflow."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "airflow":
            raise ModuleNotFoundError("No module named 'airflow'", name=name)


sys.meta_path.insert(0, NoAirflow())
