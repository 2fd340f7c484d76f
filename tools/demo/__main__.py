"""`python -m tools.demo`: one CA in three accounts, on the sandbox, each claim checked on the way.

Runs examples/workspaces as it is, in a copy of the checkout that is gone afterwards. Exit status
0 if every claim held, 1 if one did not or something is missing, 130 if it was interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sandbox.control import Sandbox, SandboxError, start
from tools.checkout import ROOT, copy_configuration
from tools.engine.discovery import find_engine
from tools.engine.terraform import Completed, Terraform
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import resolve

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iot import IoTClient

    from sandbox.control import Listener
    from tools.device import Device

REGION = "eu-west-1"
EXAMPLE = "examples/workspaces"
CA = "factory"
REGISTRATION = f'module.iot_ca.module.registration.terraform_data.registration["{CA}"]'
DELETIONS = ("DeleteCACertificate", "DeleteProvisioningTemplate")
SECONDS_TO_REFUSE = 30.0
PLAIN_WIDTH = 100
EVIDENCE_LINES = 30
SOCKET_FOLDER_LENGTH = 80

# The configuration and the commands of AWS's blog on multi-account registration, under the names
# that the example reads. The blog answers openssl's questions by hand, hence `prompt = no`.
OPENSSL_CONFIGURATION = """\
[ req ]
distinguished_name = req_distinguished_name
prompt             = no

[ v3_ca ]
basicConstraints = CA:TRUE

[ req_distinguished_name ]
countryName      = US
organizationName = Example Corp
commonName       = Example Root CA
"""
OPENSSL_COMMANDS = (
    "openssl genrsa -out root-ca.key 2048",
    "openssl req -new -sha256 -key root-ca.key -nodes -out root-ca.csr -config root-ca.conf",
    "openssl x509 -req -days 3650 -extfile root-ca.conf -extensions v3_ca "
    "-in root-ca.csr -signkey root-ca.key -out root-ca.pem",
)
OPENSSL_FINGERPRINT = "openssl x509 -in root-ca.pem -noout -fingerprint -sha256"
# What a factory does for each device; the CA's certificate comes behind the device's own, for those
# that don't send SNI must show it when they first connect.
DEVICE_COMMANDS = (
    "openssl req -new -newkey rsa:2048 -nodes -subj /CN={0} -keyout {0}.key -out {0}.csr",
    "openssl x509 -req -days 365 -sha256 -in {0}.csr -CA root-ca.pem -CAkey root-ca.key "
    "-CAcreateserial -out {0}.pem",
)


@dataclass(frozen=True)
class Account:
    """An AWS account and the workspace that stands for it."""

    workspace: str
    number: str
    mode: str

    def __str__(self) -> str:
        return f"{self.workspace}, {self.number}"


PRODUCTION = Account("production", "111111111111", "DEFAULT")
STAGING = Account("staging", "222222222222", "SNI_ONLY")
DEVELOPMENT = Account("development", "333333333333", "SNI_ONLY")
ACCOUNTS = (PRODUCTION, STAGING, DEVELOPMENT)
PARTNER = Account("partner", "444444444444", "DEFAULT")


@dataclass(frozen=True)
class Registration:
    """A CA as AWS has it."""

    certificate_id: str
    mode: str
    status: str
    auto_registration: str
    template: str | None


class ClaimFailed(Exception):
    """The demo says that something is so, and it is not."""

    def __init__(self, claim: str, evidence: object) -> None:
        super().__init__(claim)
        self.evidence = str(evidence).strip()


def claim(holds: bool, what: str, evidence: object = "") -> None:
    """Say that `what` is so. Raises ClaimFailed if it does not hold."""
    if not holds:
        raise ClaimFailed(what, evidence)


class Screen:
    """What the user sees: a line for each step, a tick for each claim, quotes of Terraform."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=PLAIN_WIDTH)
        self._width = min(self._console.width, PLAIN_WIDTH)
        self._steps = 0

    def title(self, title: str, text: str) -> None:
        """The first lines."""
        self._console.print(Text(f"\n{title}", style="bold"), Text(f"{text}\n", "dim"), sep="\n")

    def fact(self, name: str, value: object) -> None:
        """A name and a value."""
        self._print(Text(f"    {name:<11}", "dim"), str(value))

    def step(self, title: str, explanation: str) -> None:
        """Begin a step, with a line that explains it."""
        self._steps += 1
        heading = Text.assemble((f"{self._steps:>2}  ", "cyan"), (title, "bold"))
        self._console.print("", heading, sep="\n")
        self._print(Text("    "), explanation, "dim")

    def command(self, command: str) -> None:
        """A command that is run, broken as a shell takes it."""
        first, *more = textwrap.wrap(
            command, self._width - 8, subsequent_indent="    ", break_on_hyphens=False
        )
        lines = " \\\n      ".join([first, *more])
        self._console.print(Text.assemble("    ", ("$ ", "cyan"), lines), soft_wrap=True)

    def tick(self, text: str, seconds: float | None = None) -> None:
        """A claim that held."""
        took = "" if seconds is None else f"{seconds:.1f} s"
        self._print(Text.assemble("    ", ("✓ ", "green")), text, after=took)

    def quote(self, lines: Sequence[str]) -> None:
        """Words of Terraform's."""
        for line in lines:
            self._print(Text.assemble("      ", ("│ ", "yellow")), line)

    def table(self, table: Table) -> None:
        """A table, with room around it."""
        self._console.print(Padding(table, (1, 0, 1, 6), expand=False))

    def failure(self, title: str, evidence: str) -> None:
        """What went wrong, and what was seen instead."""
        self._print(Text.assemble("    ", ("✗ ", "bold red")), title, "bold")
        for line in evidence.splitlines()[-EVIDENCE_LINES:]:
            self._print(Text("      "), line, "dim")

    def end(self, text: str) -> None:
        """The last line."""
        self._console.print("", Text(f"{text}\n", style="bold"), sep="\n")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is under way; on a terminal only."""
        progress = Progress(
            TextColumn("   "),
            SpinnerColumn(style="cyan"),
            TextColumn(text, style="dim"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with progress:
            progress.add_task(text, total=None)
            yield

    def _print(self, before: Text, text: str, style: str = "", after: str = "") -> None:
        """Print text beside what comes before it, wrapped so that the space below stays free."""
        lines = textwrap.wrap(text, self._width - len(before)) or [""]
        shown = Text.assemble(before, (lines[0], style))
        for line in lines[1:]:
            shown.append(f"\n{' ' * len(before)}").append(line, style)
        self._console.print(shown.append(f"  {after}" if after else "", "dim"), soft_wrap=True)


class Cloud:
    """What is in the accounts, asked of AWS itself and not of Terraform."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @functools.cached_property
    def _make(self) -> tuple[Callable[[Account], IoTClient], Callable[[Account], IAMClient]]:
        # Imported while the first apply runs, not while the user waits for the first line.
        from boto3.session import Session

        def session(account: Account) -> Session:
            return Session(account.number, "sandbox", region_name=REGION)

        endpoint = self.sandbox.endpoint
        iot = functools.cache(lambda a: session(a).client("iot", endpoint_url=endpoint))
        iam = functools.cache(lambda a: session(a).client("iam", endpoint_url=endpoint))
        return iot, iam

    def iot(self, account: Account) -> IoTClient:
        """A client of AWS IoT in that account."""
        return self._make[0](account)

    def registration(self, account: Account, certificate_id: str) -> Registration | None:
        """The CA in that account, or None."""
        client = self.iot(account)
        try:
            answer = client.describe_ca_certificate(certificateId=certificate_id)
        except client.exceptions.ResourceNotFoundException:
            return None
        found = answer["certificateDescription"]
        return Registration(
            found["certificateId"],
            found["certificateMode"],
            found["status"],
            found["autoRegistrationStatus"],
            answer.get("registrationConfig", {}).get("templateName"),
        )

    def endpoint(self, account: Account) -> str:
        """The host name that devices of the account connect to."""
        answer = self.iot(account).describe_endpoint(endpointType="iot:Data-ATS")
        return answer["endpointAddress"]

    def thing(self, account: Account, name: str) -> dict[str, str] | None:
        """The attributes of a thing with an active certificate, or None."""
        iot = self.iot(account)
        try:
            found = iot.describe_thing(thingName=name)
        except iot.exceptions.ResourceNotFoundException:
            return None
        (principal,) = iot.list_thing_principals(thingName=name)["principals"]
        certificate_id = principal.rpartition("/")[2]
        certificate = iot.describe_certificate(certificateId=certificate_id)
        claim(certificate["certificateDescription"]["status"] == "ACTIVE", f"{name} is ACTIVE")
        return found["attributes"]

    def scrap_devices(self, account: Account) -> None:
        """Take every device out: its thing, its certificate and its policy."""
        iot = self.iot(account)
        for certificate in iot.list_certificates()["certificates"]:
            arn, certificate_id = certificate["certificateArn"], certificate["certificateId"]
            for thing in iot.list_principal_things(principal=arn)["things"]:
                iot.detach_thing_principal(thingName=thing, principal=arn)
                iot.delete_thing(thingName=thing)
            for policy in iot.list_attached_policies(target=arn)["policies"]:
                iot.detach_policy(policyName=policy["policyName"], target=arn)
            iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            iot.delete_certificate(certificateId=certificate_id)
        # The devices shared it: its document is the template's.
        for policy in iot.list_policies()["policies"]:
            iot.delete_policy(policyName=policy["policyName"])

    def template_type(self, account: Account, name: str) -> str:
        """The type of a provisioning template that is enabled, else why it does not count."""
        template = self.iot(account).describe_provisioning_template(templateName=name)
        return template["type"] if template["enabled"] else "disabled"

    def leftovers(self, account: Account) -> list[str]:
        """Everything in the account that the example could have made."""
        iot = self.iot(account)
        certificates = iot.list_ca_certificates()["certificates"]
        templates = iot.list_provisioning_templates()["templates"]
        roles = self._make[1](account).list_roles()["Roles"]
        return [
            *(certificate["certificateArn"] for certificate in certificates),
            *(template["templateArn"] for template in templates),
            *(role["Arn"] for role in roles),
        ]

    def deletions(self, account: Account) -> list[str]:
        """The deletions of CAs and templates in the account, in their order."""
        calls = self.sandbox.calls(account=account.number)
        return [call.operation for call in calls if call.operation in DELETIONS]

    def writes(self) -> list[str]:
        """The writing calls since the last `forget`."""
        return [f"{call.account} {call.operation}" for call in self.sandbox.calls(write=True)]


@dataclass
class Demo:
    """The main job, step by step."""

    screen: Screen
    terraform: Terraform
    cloud: Cloud
    certificate_id: str = ""

    def run(self) -> None:
        """All steps. Raises ClaimFailed at the first claim that does not hold."""
        self.make_ca()
        self.register()
        self.show_table()
        self.plan_again()
        self.meddle()
        self.repair()
        self.refuse_fourth()
        self.meet_device()
        self.meet_device_without_sni()
        self.refuse_new_devices()
        self.destroy()

    def make_ca(self) -> None:
        """Steps of the blog: key, request, certificate."""
        self.screen.step(
            "A root CA",
            "The commands of AWS's blog on multi-account registration; the key stays in a file.",
        )
        folder = self.terraform.folder
        (folder / "root-ca.conf").write_text(OPENSSL_CONFIGURATION, encoding="utf-8")
        started = time.monotonic()
        for command in OPENSSL_COMMANDS:
            self.screen.command(command)
            run_openssl(command, folder)
        fingerprint = run_openssl(OPENSSL_FINGERPRINT, folder).rpartition("=")[2]
        self.certificate_id = fingerprint.replace(":", "").strip().lower()
        self.screen.tick(f"SHA-256 {self.certificate_id}", time.monotonic() - started)

    def register(self) -> None:
        """Apply in all accounts at once, each in its workspace."""
        self.screen.step(
            "terraform apply, a workspace for each account",
            "production takes the CA in DEFAULT mode and proves that it owns the key; the others "
            "take it in SNI_ONLY mode, which needs the certificate alone.",
        )
        with self.screen.waiting("terraform init"):
            started = time.monotonic()
            self.terraform.init()
        self.screen.tick("initialised, once for all", time.monotonic() - started)

        def registered(account: Account, completed: Completed) -> str:
            claim(completed.status == 0, f"apply in {account.workspace} works", completed.stderr)
            return f"registered in {account.mode} mode"

        self._everywhere(ACCOUNTS, registered, "apply", "-auto-approve")

    def show_table(self) -> None:
        """Read each CA from AWS, compare with what was asked for, and show it."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for name in ("account", "region", "certificate ID", "mode", "status", "template"):
            table.add_column(name, no_wrap=True)
        for account in ACCOUNTS:
            found = self._check_registration(account)
            short = f"{found.certificate_id[:10]}…{found.certificate_id[-6:]}"
            table.add_row(
                account.number, REGION, short, found.mode, found.status, found.template or "none"
            )
        self.screen.table(table)
        self.screen.tick(
            "read from AWS: the ID is the fingerprint everywhere; each CA is ACTIVE with "
            "auto-registration and names a template of type JITP in its own account"
        )

    def plan_again(self) -> None:
        """Nothing to do, and nothing written."""
        self.screen.step(
            "terraform plan: nothing changes",
            "Each plan looks the CA up in AWS. Exit status 0 says that there is nothing to do.",
        )
        self.cloud.sandbox.forget_calls()
        self._everywhere(ACCOUNTS, self._nothing_to_do, *plan())
        self._claim_no_writes()

    def meddle(self) -> None:
        """Change two accounts behind Terraform's back; plan must notice both."""
        self.screen.step(
            "Drift: somebody sets one CA INACTIVE and deletes another",
            "By hand, behind Terraform's back. plan says what is wrong and what it would do.",
        )
        staging, production = self.cloud.iot(STAGING), self.cloud.iot(PRODUCTION)
        certificate_id = self.certificate_id
        staging.update_ca_certificate(certificateId=certificate_id, newStatus="INACTIVE")
        self.screen.command(
            f"aws iot update-ca-certificate --new-status INACTIVE …   # in {STAGING}"
        )
        production.update_ca_certificate(certificateId=certificate_id, newStatus="INACTIVE")
        production.delete_ca_certificate(certificateId=certificate_id)
        self.screen.command(f"aws iot delete-ca-certificate …   # in {PRODUCTION}")
        self.cloud.sandbox.forget_calls()
        expected = {
            STAGING: "status is INACTIVE, wanted ACTIVE",
            PRODUCTION: "not registered",
        }

        def noticed(account: Account, completed: Completed) -> str:
            where = f"plan in {account.workspace}"
            claim(completed.status == 2, f"{where} ends with exit status 2", completed.output)
            claim(expected[account] in completed.output, f"{where} says why", completed.output)
            claim(
                replaced(completed) == [REGISTRATION],
                f"{where} replaces the registration and nothing else",
                completed.stdout,
            )
            return "exit status 2"

        self._everywhere(expected, noticed, *plan("-out={workspace}.tfplan"), quote=excerpt)
        self._claim_no_writes()

    def repair(self) -> None:
        """Apply the saved plans; all is as it was."""
        self.screen.step(
            "terraform apply repairs both",
            "The saved plans, as they were shown. Afterwards plan has nothing to do again.",
        )
        repaired = (STAGING, PRODUCTION)

        def applied(account: Account, completed: Completed) -> str:
            claim(
                completed.status == 0, f"the repair of {account.workspace} works", completed.stderr
            )
            found = self._check_registration(account)
            return f"{found.mode}, {found.status}, template {found.template}"

        self._everywhere(repaired, applied, "apply", "{workspace}.tfplan")
        self.cloud.sandbox.forget_calls()
        self._everywhere(repaired, self._nothing_to_do, *plan())
        self._claim_no_writes()

    def refuse_fourth(self) -> None:
        """Only one account of a region can have the CA in DEFAULT mode."""
        self.screen.step(
            "A fourth account asks for DEFAULT mode",
            "AWS lets one account in a region hold a CA in DEFAULT mode: production has it.",
        )

        def refused(account: Account, completed: Completed) -> str:
            claim(completed.status == 1, "a second DEFAULT is refused", completed.stdout)
            claim(
                "another account holds this CA in DEFAULT mode" in completed.output
                and 'certificate_mode = "SNI_ONLY"' in completed.output,
                "the refusal says who holds the CA and what to do",
                completed.stderr,
            )
            claim(
                completed.seconds < SECONDS_TO_REFUSE,
                f"the refusal comes within {SECONDS_TO_REFUSE:g} seconds",
                f"it took {completed.seconds:.1f} s",
            )
            left = self.cloud.registration(account, self.certificate_id)
            claim(left is None, "nothing is registered in the fourth account", left)
            return "refused, nothing registered"

        self._everywhere((PARTNER,), refused, "apply", "-auto-approve", quote=refusal)

    def meet_device(self) -> None:
        """One device, one certificate: provisioned on first contact in every account."""
        self.screen.step(
            "A device with one certificate connects to all three accounts",
            "Over TLS and MQTT, to each account's endpoint. At the first contact AWS IoT registers "
            "its certificate and runs the template; the device connects again and is in.",
        )
        for command in DEVICE_COMMANDS:
            self.screen.command(command.format("sensor-1"))
        device = self._new_device("sensor-1")
        for account in ACCOUNTS:
            visit = device.visit(
                self._listener, self.cloud.endpoint(account), topic="sensor-1/hello"
            )
            claim(visit.accepted, f"the device is accepted in {account.workspace}", visit)
            claim(bool(visit.received), f"it may publish and subscribe in {account.workspace}")
            thing = self.cloud.thing(account, "sensor-1")
            claim(
                thing
                == {
                    "ca_certificate_id": self.certificate_id,
                    "ca_certificate_mode": account.mode,
                },
                f"its thing in {account.workspace} says which CA let it in, in which mode",
                thing,
            )
            self.screen.tick(
                f"{account.workspace:<12}{account.number}  thing sensor-1, certificate ACTIVE, "
                f"through the CA in {account.mode} mode"
            )

    def meet_device_without_sni(self) -> None:
        """Only the account with the CA in DEFAULT mode answers a device that sends no SNI."""
        self.screen.step(
            "A device that does not send SNI",
            "It names no endpoint when it connects. AWS IoT can only think of the account that "
            "holds the CA in DEFAULT mode: production.",
        )
        self.cloud.sandbox.forget_device_log()
        visit = self._new_device("sensor-2").visit(self._listener, None)
        claim(visit.accepted, "the device is accepted without SNI", visit)
        accounts = {event.account for event in self.cloud.sandbox.device_log(outcome="connected")}
        claim(accounts == {PRODUCTION.number}, "it is in production, and only there", accounts)
        for account in (STAGING, DEVELOPMENT):
            found = self.cloud.thing(account, "sensor-2")
            claim(found is None, f"{account.workspace} has never heard of it", found)
        self.screen.tick(
            f"{PRODUCTION.workspace:<12}{PRODUCTION.number}  thing sensor-2; unknown in the others"
        )

    def refuse_new_devices(self) -> None:
        """A CA that is INACTIVE provisions nobody; who is known already stays so."""
        self.screen.step(
            "The CA is set INACTIVE in staging",
            "As when it is retired: new devices are refused, and known ones go on connecting.",
        )
        staging = self.cloud.iot(STAGING)
        staging.update_ca_certificate(certificateId=self.certificate_id, newStatus="INACTIVE")
        endpoint = self.cloud.endpoint(STAGING)
        new = self._new_device("sensor-3").visit(self._listener, endpoint)
        claim(not new.accepted, "a new device is refused", new)
        known = self._device("sensor-1").visit(self._listener, endpoint, attempts=1)
        claim(known.accepted, "a known device is accepted", known)
        staging.update_ca_certificate(certificateId=self.certificate_id, newStatus="ACTIVE")
        self.screen.tick("sensor-3, new: refused")
        self.screen.tick("sensor-1, known: accepted")

    def _new_device(self, name: str) -> Device:
        folder = self.terraform.folder
        for command in DEVICE_COMMANDS:
            run_openssl(command.format(name), folder)
        chain = [(folder / f"{each}.pem").read_text() for each in (name, "root-ca")]
        (folder / f"{name}.chain.pem").write_text("".join(chain))
        return self._device(name)

    def _device(self, name: str) -> Device:
        from tools.device import Device

        folder = self.terraform.folder
        return Device(folder / f"{name}.chain.pem", folder / f"{name}.key", name)

    @functools.cached_property
    def _listener(self) -> Listener:
        return self.cloud.sandbox.devices(REGION)

    def destroy(self) -> None:
        """Everything goes again."""
        self.screen.step(
            "terraform destroy",
            "The devices first: a CA is not deleted while certificates of its devices are "
            "registered. Then the CA leaves each account before its template does.",
        )
        for account in ACCOUNTS:
            self.cloud.scrap_devices(account)

        self.cloud.sandbox.forget_calls()

        def destroyed(account: Account, completed: Completed) -> str:
            claim(completed.status == 0, f"destroy in {account.workspace} works", completed.stderr)
            left = self.cloud.leftovers(account)
            claim(not left, f"nothing is left in {account.workspace}", "\n".join(left))
            deleted = self.cloud.deletions(account)
            claim(
                account not in ACCOUNTS or deleted == list(DELETIONS),
                f"the CA leaves {account.workspace} before its template",
                deleted,
            )
            return "no CA, no template, no role left"

        self._everywhere((*ACCOUNTS, PARTNER), destroyed, "destroy", "-auto-approve")

    def _check_registration(self, account: Account) -> Registration:
        found = self.cloud.registration(account, self.certificate_id)
        where = f"the CA in {account.workspace} ({account.number})"
        claim(found is not None, f"{where} is registered under its fingerprint")
        assert found is not None
        claim(
            found.certificate_id == self.certificate_id, f"{where} has its fingerprint as ID", found
        )
        claim(found.mode == account.mode, f"{where} is in {account.mode} mode", found)
        claim(found.status == "ACTIVE", f"{where} is ACTIVE", found)
        claim(found.auto_registration == "ENABLE", f"{where} registers devices", found)
        claim(found.template == CA, f"{where} names its template", found)
        kind = self.cloud.template_type(account, CA)
        claim(kind == "JITP", f"the template in {account.workspace} is of type JITP", kind)
        return found

    def _nothing_to_do(self, account: Account, completed: Completed) -> str:
        claim(
            completed.status == 0,
            f"plan in {account.workspace} ends with exit status 0",
            completed.output,
        )
        return "exit status 0"

    def _claim_no_writes(self) -> None:
        writes, calls = self.cloud.writes(), self.cloud.sandbox.calls()
        claim(not writes, "plan makes no writing call", "\n".join(writes))
        self.screen.tick(f"{len(calls)} AWS calls, none of them writes")

    def _everywhere(
        self,
        accounts: Collection[Account],
        check: Callable[[Account, Completed], str],
        *arguments: str,
        quote: Callable[[Completed], list[str]] = lambda _: [],
    ) -> None:
        """Run a command in several accounts at once.

        `check` words what came out, or raises; `quote` takes from it what is worth reading.
        """
        names = ", ".join(account.workspace for account in accounts)
        # The processes end before the threads are waited for, also when a claim fails or the user
        # interrupts: the last context is left first.
        with (
            self.screen.waiting(f"terraform {arguments[0]} in {names}"),
            ThreadPoolExecutor(len(accounts)) as pool,
            contextlib.ExitStack() as processes,
        ):
            running = {}
            for account in accounts:
                words = [word.format(workspace=account.workspace) for word in arguments]
                process = processes.enter_context(
                    self.terraform.start(*words, env=self._environment(account))
                )
                processes.callback(end, process)
                running[pool.submit(finish, process, words)] = account
            for future in as_completed(running):
                account, result = running[future], future.result()
                text = f"{account.workspace:<12}{account.number}  {check(account, result)}"
                self.screen.tick(text, result.seconds)
                self.screen.quote(quote(result))

    def _environment(self, account: Account) -> dict[str, str]:
        variables = {
            **self.cloud.sandbox.environment(account.number, REGION),
            "TF_WORKSPACE": account.workspace,
        }
        if account not in ACCOUNTS:
            entry = {"account_id": account.number, "certificate_mode": account.mode}
            variables["TF_VAR_accounts"] = json.dumps({account.workspace: entry})
        return variables


def plan(*arguments: str) -> tuple[str, ...]:
    """The command that plans, and tells by its exit status whether there is something to do."""
    return ("plan", "-detailed-exitcode", *arguments)


def finish(process: subprocess.Popen[str], arguments: Sequence[str]) -> Completed:
    """Wait for a Terraform and take what it wrote."""
    started = time.monotonic()
    stdout, stderr = process.communicate()
    seconds = time.monotonic() - started
    return Completed(tuple(arguments), process.returncode, stdout, stderr, seconds)


def end(process: subprocess.Popen[str]) -> None:
    """End a Terraform that still runs, and its providers, at once: its state goes with the rest."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def replaced(completed: Completed) -> list[str]:
    """What a plan changes, as it says it; only replacements are expected."""
    return re.findall(r"^ +# (\S+) (?:must be|will be) ", completed.stdout, re.MULTILINE)


def excerpt(completed: Completed) -> list[str]:
    """Of a plan with drift: the warning in words, what is replaced and why, and the sum."""
    searches = (
        (rf"^{CA} \(account .*$", completed.output),
        (r"^ +# \S+ must be replaced$", completed.stdout),
        (r"^ +~ triggers_replace .*$", completed.stdout),
        (r"^Plan: .*$", completed.stdout),
    )
    found = [re.search(pattern, text, re.MULTILINE) for pattern, text in searches]
    return [" ".join(match.group().split()) for match in found if match]


def refusal(completed: Completed) -> list[str]:
    """The one line of the program's in Terraform's error."""
    found = re.search(r"iot_ca: .*", completed.output)
    return [found.group().strip()] if found else []


def run_openssl(command: str, folder: Path) -> str:
    """Run a command; returns what it wrote. Raises ToolError if there is no such program."""
    try:
        done = subprocess.run(
            shlex.split(command), cwd=folder, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise ToolError("no `openssl` on the PATH; install it") from None
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{command}\n{error.stderr}") from None
    return done.stdout


def temporary_folder(folder: Path) -> dict[str, str]:
    """Variables that keep Terraform's temporary files in the folder.

    Providers that are ended midway leave their sockets there. Paths of sockets are short.
    """
    return {"TMPDIR": str(folder)} if len(str(folder)) < SOCKET_FOLDER_LENGTH else {}


def forget_settings() -> None:
    """Leave out what the user has set for AWS: all calls of this process go to the sandbox."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def run(screen: Screen) -> None:
    """The whole demo, and nothing left behind. Raises what the user must hear of."""
    started = time.monotonic()
    screen.title(
        "One certificate authority, three AWS accounts",
        "The main job of terraform-aws-iot-ca, on a local AWS. Nothing leaves this machine.",
    )
    engine = find_engine()
    screen.fact("engine", engine)
    with screen.waiting("looking for the providers"):
        providers = resolve(engine, say=lambda text: screen.fact("providers", text))
    screen.fact("providers", providers)
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    try:
        screen.step("A local AWS", "The sandbox: moto's server with the CA rules of AWS IoT Core.")
        began = time.monotonic()
        with screen.waiting("starting the sandbox"):
            sandbox = start()
        with sandbox:
            screen.tick(f"{sandbox.endpoint}, all accounts empty", time.monotonic() - began)
            copy_configuration(ROOT, folder)
            settings = environment(providers, temporary_folder(folder))
            terraform = Terraform(folder / EXAMPLE, engine, settings)
            Demo(screen, terraform, Cloud(sandbox)).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ended = sandbox.process is None or sandbox.process.poll() is not None
    claim(ended, "the sandbox has ended", sandbox.process)
    claim(not folder.exists(), "no file is left", folder)
    screen.tick("the sandbox has ended and its files are gone")
    screen.end(f"Every claim held. {time.monotonic() - started:.0f} seconds.")


def interrupt(*_: object) -> None:
    """End in order on the first signal, and don't let a second one disturb that."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; returns the exit status."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    forget_settings()
    screen = Screen()
    try:
        run(screen)
    except ClaimFailed as failed:
        screen.failure(f"Not as claimed: {failed}", failed.evidence)
        return 1
    except (ToolError, SandboxError) as error:
        screen.failure("The demo could not run", str(error))
        return 1
    except KeyboardInterrupt:
        screen.end("Interrupted. Nothing is left running.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
