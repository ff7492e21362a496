"""Stores of tokens, and the lock that lets one process at a time renew them."""

import json
import multiprocessing
import os
import signal
import stat
import threading
import time

import pytest

from airflow_provider_b24.errors import Bitrix24ConfigError, Bitrix24TransportError
from airflow_provider_b24.rest.auth.tokens import FileTokenStore, MemoryTokenStore, TokenPair, fingerprint
from airflow_provider_b24.rest.clock import SystemClock
from airflow_provider_b24.rest.config import OAuthApp
from airflow_provider_b24.rest.locks import machine_lock, own_folder

PAIR = TokenPair("canary0access", "canary0refresh", 1_800_003_600.0)
spawn = multiprocessing.get_context("spawn")


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    return MemoryTokenStore() if request.param == "memory" else FileTokenStore(tmp_path / "tokens", "app")


def test_a_store_that_was_never_written_holds_nothing(store):
    assert store.load() is None


def test_a_store_gives_back_what_was_saved_last(store):
    store.save(TokenPair("a", "b"))
    store.save(PAIR)
    assert store.load() == PAIR


def test_a_file_store_is_for_its_owner_alone(tmp_path):
    store = FileTokenStore(tmp_path / "tokens", "app")
    store.save(PAIR)
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o700
    (file,) = (tmp_path / "tokens").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert FileTokenStore(tmp_path / "tokens", "app").load() == PAIR
    assert FileTokenStore(tmp_path / "tokens", "another").load() is None


def open_to_others(folder):
    folder.mkdir()
    folder.chmod(0o750)


def a_link(folder):
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def a_file(folder):
    folder.write_text("")


@pytest.mark.parametrize("lay", [open_to_others, a_link, a_file], ids=lambda lay: lay.__name__)
def test_a_folder_that_is_not_the_owner_s_alone_is_refused(tmp_path, lay):
    lay(tmp_path / "tokens")
    with pytest.raises(Bitrix24ConfigError, match="tokens cannot be stored in"):
        FileTokenStore(tmp_path / "tokens", "app").save(PAIR)


def test_a_file_of_tokens_that_others_may_read_is_refused(tmp_path):
    store = FileTokenStore(tmp_path / "tokens", "app")
    store.save(PAIR)
    (tmp_path / "tokens" / "app.json").chmod(0o644)
    with pytest.raises(Bitrix24ConfigError, match="read by others"):
        store.load()


def test_a_link_in_the_place_of_the_tokens_is_not_followed(tmp_path):
    store = FileTokenStore(tmp_path / "tokens", "app")
    store.save(PAIR)
    (tmp_path / "tokens" / "app.json").rename(tmp_path / "stolen")
    (tmp_path / "tokens" / "app.json").symlink_to(tmp_path / "stolen")
    with pytest.raises(Bitrix24ConfigError):
        store.load()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"access_token": 1, "refresh_token": "x"}'])
def test_a_store_that_holds_nonsense_counts_as_empty_and_is_not_quoted(tmp_path, caplog, text):
    store = FileTokenStore(tmp_path / "tokens", "app")
    store.save(PAIR)
    (tmp_path / "tokens" / "app.json").write_text(text)
    assert store.load() is None
    assert "cannot be read" in caplog.text


def test_a_pair_survives_its_written_form_and_shows_no_token():
    assert TokenPair.from_json(PAIR.to_json()) == PAIR
    assert set(json.loads(PAIR.to_json())) == {"access_token", "refresh_token", "expires_at"}
    assert "canary" not in repr(PAIR)


def test_an_answer_s_lifetime_becomes_the_time_of_its_end():
    answer = {"access_token": "a", "refresh_token": "b", "expires_in": "3600", "scope": "crm"}
    assert TokenPair.from_answer(answer, now=1000.0) == TokenPair("a", "b", 4600.0)


def test_edited_tokens_or_another_application_have_another_fingerprint():
    app = OAuthApp("local.1", "secret", "access", "refresh")
    same = OAuthApp(
        "local.1", "renewed secret", "another access", "refresh", server="https://oauth.bitrix24.tech"
    )
    others = [
        OAuthApp("local.2", "secret", "access", "refresh"),
        OAuthApp("local.1", "secret", "access", "edited"),
    ]
    assert fingerprint(app) == fingerprint(same)
    assert len({fingerprint(one) for one in [app, *others]}) == 3
    assert fingerprint(OAuthApp("local.1", "secret", "access")) != fingerprint(
        OAuthApp("local.1", "secret", "other")
    )


def test_the_lock_keeps_threads_apart(tmp_path):
    inside, seen = [0], []

    def work():
        with machine_lock("app", SystemClock(), tmp_path / "locks"):
            inside[0] += 1
            seen.append(inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1, 1]


def hold_for_ever(folder, held):
    with machine_lock("app", SystemClock(), folder):
        held.set()
        time.sleep(600)


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(tmp_path):
    held = spawn.Event()
    holder = spawn.Process(target=hold_for_ever, args=(tmp_path / "locks", held))
    holder.start()
    assert held.wait(30)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with machine_lock("app", SystemClock(), tmp_path / "locks"):
        pass


def test_a_lock_that_is_held_for_too_long_ends_in_a_temporary_error(tmp_path, clock):
    with (
        machine_lock("app", clock, tmp_path / "locks"),
        pytest.raises(Bitrix24TransportError, match="too long") as caught,
        machine_lock("app", clock, tmp_path / "locks"),
    ):
        pass
    assert (caught.value.temporary, caught.value.sent) == (True, False)
    assert 55 < sum(clock.slept) < 65


def test_a_longer_wait_for_the_lock_is_said_once(tmp_path, clock, caplog):
    caplog.set_level("INFO")
    with (
        machine_lock("app", clock, tmp_path / "locks"),
        pytest.raises(Bitrix24TransportError),
        machine_lock("app", clock, tmp_path / "locks"),
    ):
        pass
    assert caplog.text.count("Waiting for another task") == 1


def test_where_no_lock_file_can_be_made_threads_are_still_kept_apart(tmp_path, clock, caplog):
    open_to_others(tmp_path / "locks")
    with machine_lock("app", clock, tmp_path / "locks"):
        pass
    assert "No lock file (" in caplog.text


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path, clock, caplog):
    folder = own_folder(tmp_path / "locks")
    (tmp_path / "precious").write_text("kept")
    (folder / "app.lock").symlink_to(tmp_path / "precious")
    with machine_lock("app", clock, folder):
        pass
    assert "No lock file (" in caplog.text
    assert (tmp_path / "precious").read_text() == "kept"


def test_tokens_that_cannot_be_put_in_place_are_an_error_and_leave_no_draft(tmp_path):
    store = FileTokenStore(tmp_path, "app")
    store.save(TokenPair("access1", "refresh1"))
    (file,) = [path for path in tmp_path.iterdir() if path.read_text().find("access1") >= 0]
    file.unlink()
    file.mkdir()
    with pytest.raises(Bitrix24ConfigError):
        store.save(TokenPair("access2", "refresh2"))
    assert not [path for path in tmp_path.iterdir() if path.is_file() and "access2" in path.read_text()]
