"""Looks at a page of the storefront as those do who cannot see it well, or have a phone."""

from typing import Any, Final

from playwright.sync_api import Page

from shop_cli.testing import ROOT

AXE: Final = ROOT / "web/node_modules/axe-core/axe.min.js"
TARGET_PX_MIN: Final = 44
NARROW: Final = 360
# A link with a text around it may be as small as that: https://www.w3.org/TR/WCAG22/#target-size-enhanced
SMALL_TARGETS: Final = """least => [...document.querySelectorAll('a, button, select, summary, label:has(input)')]
    .filter(each => each.checkVisibility() && !each.matches('.skip'))
    .filter(each => ![...each.parentNode.childNodes].some(beside => beside.nodeType === 3 && beside.data.trim()))
    .map(each => [each, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.width < least - 0.5 || box.height < least - 0.5))
    .map(([each, box]) => `${each.outerHTML.slice(0, 100)}: ${box.width} x ${box.height}`)"""
# Every test asks for reduced motion.
MOVING: Final = "document.getAnimations().map(each => `moving: ${each.effect.target.outerHTML.slice(0, 100)}`)"
WIDER: Final = """() => [...document.querySelectorAll('main *, header *, footer *')]
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.categories, svg'))
    .map(each => each.outerHTML.slice(0, 100))"""


def look_at(page: Page) -> None:
    """Looks at the page in each scheme, and as a phone shows it. Raises AssertionError with all that is wrong."""
    size, wrong = page.viewport_size, list[object]()
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wrong += found_by_axe(page)
    page.set_viewport_size({"width": NARROW, "height": 740})
    wrong += page.evaluate(MOVING)
    wrong += found_by_axe(page)  # what a phone is not shown may have been the name of something
    if (width := page.evaluate("document.documentElement.scrollWidth")) > NARROW:
        wrong.append(f"{width} px are wider than {NARROW} px")
    wrong += page.evaluate(WIDER) + page.evaluate(SMALL_TARGETS, TARGET_PX_MIN)
    if size:
        page.set_viewport_size(size)
    if wrong:
        raise AssertionError(wrong)


def found_by_axe(page: Page) -> list[object]:
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(found => found.violations)")
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
