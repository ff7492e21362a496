"""A headless Chromium that finds and awaits what a person would see. Nothing here sleeps."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

Found = TypeVar("Found")

SECONDS = 30
WIDTH, HEIGHT = 1280, 2200  # high enough for the whole connection form in one picture
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers have little of it
    "--force-prefers-reduced-motion",
    "--accept-lang=en-US",  # the language of the interface
    f"--window-size={WIDTH},{HEIGHT}",
)
# These happen while a page redraws itself.
TRANSIENT = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Start Debian's Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # required for root
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


class Browser:
    """Airflow's web interface in a browser. Elements are found by XPath, and only visible ones count."""

    def __init__(self, driver: Chrome, address: str, pictures: Path) -> None:
        self.driver = driver
        self.address = address
        self.pictures = pictures

    def log_in(self, user: str, password: str) -> None:
        self.open("/")
        self.fill("//input[@name='username']", user)
        self.fill("//input[@name='password']", password)
        self.click("//button[@type='submit']")
        self.see("//a[@aria-label='Dags']")

    def open(self, path: str) -> None:
        self.driver.get(self.address + path)

    def wait(self, find: Callable[[], Found | None], what: str, seconds: float = SECONDS) -> Found:
        """Retry until something is found. Elements that are redrawn or covered are tried again."""
        wait = WebDriverWait(self.driver, seconds, 0.1, ignored_exceptions=TRANSIENT)
        return wait.until(lambda _: find() or False, f"not within {seconds} s: {what}")

    def all(self, place: str) -> list[WebElement]:
        return [found for found in self.driver.find_elements(By.XPATH, place) if found.is_displayed()]

    def see(self, place: str, seconds: float = SECONDS) -> WebElement:
        return self.wait(lambda: next(iter(self.all(place)), None), place, seconds)

    def read(self, place: str, seconds: float = SECONDS) -> str:
        """Wait for an element and return its text at once, before it disappears."""
        return self.wait(lambda: next((found.text for found in self.all(place)), None), place, seconds)

    def click(self, place: str) -> None:
        def clicked() -> bool:
            self.see(place, 1).click()
            return True

        self.wait(clicked, f"a click on {place}")

    def fill(self, place: str, text: str) -> None:
        """Replace the text of a field."""

        def filled() -> bool:
            field = self.see(place, 1)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(Keys.DELETE, text)
            return field.get_attribute("value") == text

        self.wait(filled, f"{place} contains the new text")

    def click_for_new_tab(self, place: str) -> None:
        """Click a link that opens a new tab, and switch to it."""
        known = set(self.driver.window_handles)
        self.click(place)
        new = self.wait(lambda: set(self.driver.window_handles) - known, "a new tab")
        self.driver.switch_to.window(new.pop())

    def close_tab(self) -> None:
        self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])

    def picture(self, name: str) -> None:
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))
