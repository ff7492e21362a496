"""Airflow's pages for connections: the list, and the form in a dialog."""

from dataclasses import dataclass

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.ui.browser import Browser

DIALOG = "//*[@role='dialog']"
NOTICE = "//*[@data-scope='toast'][@data-part='root']"


@dataclass(frozen=True)
class Field:
    """One field as the form shows it."""

    name: str
    label: str
    help: str
    kind: str
    value: str


class ConnectionPages:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def open_new_form(self) -> None:
        self.browser.open("/connections")
        self.browser.click("//button[normalize-space()='Add Connection']")
        self.browser.fill(f"{DIALOG}//input[@role='combobox']", "Bitrix24")
        self.browser.click("//*[@role='option'][normalize-space()='Bitrix24']")
        self.browser.see(self._place("host"))

    def open_form_of(self, connection_id: str) -> None:
        self.browser.open("/connections")
        self.browser.click(f"{self._row(connection_id)}//button[@aria-label='Edit Connection']")
        self.browser.see(self._place("host"))

    def test(self, connection_id: str) -> str:
        """Click the button that tests a connection and return the notice."""
        self.browser.open("/connections")
        self.browser.click(f"{self._row(connection_id)}//button[@aria-label='Test Connection']")
        return self.browser.read(f"{NOTICE}[contains(., 'Test Connection')]")

    def open_section(self, title: str) -> None:
        self.browser.click(f"{DIALOG}//button[@aria-expanded][normalize-space()='{title}']")
        self.browser.see(f"{DIALOG}//button[@aria-expanded='true'][normalize-space()='{title}']")

    def fill(self, **texts: str) -> None:
        for name, text in texts.items():
            self.browser.fill(self._place(name), text)

    def choose(self, name: str, option: str) -> None:
        def chosen() -> bool:
            self._open_list(name).see(f"{options}[normalize-space()='{option}']", 2).click()
            return True

        options = f"{self._list(name)}//*[@role='option']"
        self.browser.wait(chosen, f"{option} among the options of {name}")

    def options(self, name: str) -> list[str]:
        def texts() -> list[str]:
            self._open_list(name).see(options, 2)
            return [option.text for option in self.browser.all(options)]

        options = f"{self._list(name)}//*[@role='option']"
        return self.browser.wait(texts, f"the options of {name}")

    def _open_list(self, name: str) -> Browser:
        """Click a list of options; a section that is still opening may close it again."""
        self.browser.see(f"{self._list(name)}//input[@role='combobox']", 1).click()
        return self.browser

    def switch(self, name: str) -> None:
        self.browser.click(f"{DIALOG}//label[@data-scope='switch'][.//input[@name='element_{name}']]")

    def save(self) -> None:
        self.browser.click(f"{DIALOG}//button[normalize-space()='Save']")
        self.browser.wait(lambda: not self.browser.all(DIALOG), "the dialog closes")

    def fields(self, section: str) -> list[Field]:
        """Return the visible fields of a section, from top to bottom, with their labels and help texts."""
        content = f"{DIALOG}//*[@role='region'][contains(@id, '{section}')]"
        shown = f"{content}//*[@data-scope='field'][@data-part='root']"
        self.browser.see(shown)
        return [_read_field(field) for field in self.browser.all(shown)]

    def _row(self, connection_id: str) -> str:
        return f"//tr[td[normalize-space()='{connection_id}']]"

    def _place(self, name: str) -> str:
        return f"{DIALOG}//*[@name='{name}' or @name='element_{name}']"

    def _list(self, name: str) -> str:
        return f"{DIALOG}//*[@role='group'][.//input[@name='element_{name}']]"


def _read_field(group: WebElement) -> Field:
    field = group.find_element(By.CSS_SELECTOR, "[name]")
    helps = group.find_elements(By.CSS_SELECTOR, "[data-part='helper-text']")
    is_list = bool(group.find_elements(By.CSS_SELECTOR, "[role='combobox']"))
    kind = "list" if is_list else field.get_attribute("type") or ""
    value = str(field.is_selected()) if kind == "checkbox" else field.get_attribute("value") or ""
    return Field(
        name=(field.get_attribute("name") or "").removeprefix("element_"),
        label=group.find_element(By.CSS_SELECTOR, "[data-part='label']").text.strip(),
        help=" ".join(text.text for text in helps),
        kind=kind,
        value=value,
    )
