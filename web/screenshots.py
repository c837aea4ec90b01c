"""Takes pictures of the storefront's main pages at the running shop: at three widths, in light and in dark.

make web-screenshots              all of them, as web/screenshots/PAGE-WIDTH-SCHEME.png
make web-screenshots README=yes   also the four of the README, as docs/images/web-*.webp
"""

import argparse
import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from shop_cli.buyer_testing import DECLINED, GOOD, SECURE
from shop_cli.local.home import Home
from shop_cli.testing import run_shop

ROOT: Final = Path(__file__).parents[1]
HEIGHTS: Final = {360: 740, 768: 1024, 1440: 900}
SCHEMES: Final = ("light", "dark")
README: Final = (
    ("catalogue", 1440, "light"),
    ("product", 1440, "dark"),
    ("pay", 360, "light"),
    ("thanks", 360, "dark"),
)
TO_WEBP: Final = """async png => {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.82).split(',')[1];
}"""


def pages(page: Page) -> Iterator[str]:
    """Buys something as the seeded customer, and yields the name of each page once it shows all that it has."""
    page.goto("/")
    page.locator("a.card").nth(11).wait_for()
    yield "catalogue"
    page.goto("/?q=darjeling")
    page.get_by_role("link", name="Darjeeling").wait_for()
    yield "search"
    page.goto("/products/TEAPOT-700")
    page.locator("a.card").first.wait_for()
    page.get_by_role("button", name="Put in basket").click()
    yield "product"
    page.goto("/products/TEA-SENCHA-100")
    page.get_by_role("button", name="Put in basket").click()
    page.goto("/basket")
    page.get_by_role("button", name="customer", exact=True).click()
    page.get_by_role("button", name="Reserve and pay").wait_for()
    yield "basket"
    page.get_by_role("button", name="Reserve and pay").click()
    yield from payment(page)
    page.get_by_role("link", name="See the purchase").click()
    page.get_by_role("heading", name="What has happened").wait_for()
    yield "purchase"
    page.goto("/purchases")
    page.get_by_text("Paid", exact=True).first.wait_for()
    yield "purchases"


def payment(page: Page) -> Iterator[str]:
    page.get_by_role("timer").wait_for()
    yield "pay"
    for card, name in ((DECLINED, "declined"), (SECURE, "bank")):
        page.locator(f'input[value="{card}"]').check()
        page.get_by_role("button", name="Pay ").click()
        page.get_by_role("heading", name={"declined": "declined", "bank": "Your bank"}[name]).wait_for()
        yield name
    page.get_by_role("link", name="Go to your bank").click()
    page.get_by_role("button", name="Fail authentication").click()
    page.locator(f'input[value="{GOOD}"]').check()
    page.get_by_role("button", name="Pay ").click()
    page.get_by_role("link", name="See the purchase").wait_for()
    yield "thanks"


def take(browser: Browser, web_url: str, folder: Path, width: int, scheme: Any) -> None:
    context = browser.new_context(
        base_url=web_url,
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = context.new_page()
    for name in pages(page):
        page.wait_for_load_state("networkidle")
        page.mouse.move(0, 0)  # a button that is under it looks different
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
    context.close()


def write_for_readme(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    for name, width, scheme in README:
        png = base64.b64encode((folder / f"{name}-{width}-{scheme}.png").read_bytes()).decode()
        webp = base64.b64decode(page.evaluate(TO_WEBP, png))
        (ROOT / f"docs/images/web-{name}.webp").write_bytes(webp)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--readme", action="store_true", help="also write the README's")
    parser.add_argument("--width", type=int, choices=HEIGHTS, action="append", help="only this width")
    arguments = parser.parse_args()
    status = json.loads(run_shop(Home.current().path, "status", "--json").stdout)
    folder = ROOT / "web/screenshots"
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for width in arguments.width or HEIGHTS:
            for scheme in SCHEMES:
                take(browser, status["web_url"], folder, width, scheme)
        if arguments.readme:
            write_for_readme(browser, folder)
        browser.close()


if __name__ == "__main__":
    main()
