from tests.sync.conftest import client, clock, make_client, portal

__all__ = ["client", "clock", "make_client", "portal"]
