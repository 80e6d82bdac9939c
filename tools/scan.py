"""Scan the template with checkov, as `make check` does.

The scan must find nothing, and each exception must be needed: without the exceptions, checkov must
find exactly what they suppress.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_TEMPLATE = _ROOT / "template.yaml"
_CHECKOV = _ROOT / ".tools/checkov/bin/checkov"


def main() -> None:
    """Exit with 1 and say what is wrong, if anything is."""
    results = _scan(_TEMPLATE)
    failed, excepted = _named(results["failed_checks"]), _named(results["skipped_checks"])
    with tempfile.TemporaryDirectory() as directory:
        bare = Path(directory) / "template.yaml"
        bare.write_text(_TEMPLATE.read_text().replace("checkov:", "excused:"))
        needed = _named(_scan(bare)["failed_checks"])
    for resource, check in sorted(failed):
        print(f"{resource} fails {check}.")
    for resource, check in sorted(excepted - needed):
        print(f"{resource} passes {check}: remove the exception.")
    if failed or excepted != needed:
        sys.exit(1)
    print(f"checkov: clean, with {len(excepted)} exceptions, all of them needed.")


def _scan(template: Path) -> dict[str, list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as home:
        # Offline, and without the environment and the home directory in which checkov looks for
        # settings and for a key to upload its findings with.
        environment = {
            "HOME": home,
            "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true",
            "CKV_PARSE_ERROR_FAIL": "true",
        }
        scan = subprocess.run(
            [
                str(_CHECKOV),
                *("--framework", "cloudformation", "--file", str(template)),
                *("--output", "json", "--skip-download"),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            check=False,
        )
    results: dict[str, list[dict[str, Any]]] = json.loads(scan.stdout)["results"]
    if results["parsing_errors"]:
        sys.exit(f"checkov can't parse {template.name}.")
    return results


def _named(checks: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Resource and check."""
    return {(each["resource"].split(".")[-1], each["check_id"]) for each in checks}


if __name__ == "__main__":
    main()
