"""Each claim of docs/security.md is held by a test, or is nothing that a test can hold."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
import re
from typing import Final

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "security.md"

ADVICE: Final = "it says what to do, or what is meant"
AWS: Final = "it is AWS's own, and there is no AWS in tests"

FENCES = "jobs/test_fences.py::test_what_is_fenced_off_is_refused_with_its_field"
OPTIONS = "components/test_fences.py"
ACTIONS = "jobs/test_actions.py"
STEP = "components/steps/test_call_action.py"
REAL = "test_allowed_actions.py::test_what_is_listed_is_done"
ACTION_OPTIONS = "components/test_action_options.py"
NEVER = f"{ACTIONS}::test_what_is_never_allowed"

CLAIMS: Final[Mapping[str, str | tuple[str, ...]]] = {
    "Whoever may create jobs for your thing may run commands": ADVICE,
    # Who can do what
    "What a job can do in a home, by what its owner": ADVICE,
    "| Run commands": (
        "jobs/test_fences.py::test_what_no_fence_is_about_passes",
        "runner/test_users.py::test_root_becomes_the_user_with_all_its_groups_and_no_other",
        FENCES,
        "jobs/test_fences.py::test_nothing_else_gets_past_locked_down",
    ),
    "| Run programs at a path of their own": (
        "runner/test_handlers.py::test_without_a_path_path_comes_second",
        FENCES,
    ),
    "| Run handlers of the handler directory": (
        FENCES,
        f"{OPTIONS}::test_handlers_of_locked_down_are_samples",
    ),
    "| Read and change Home Assistant's configuration": (
        "app/test_container.py::test_a_handler_cannot_read_home_assistants_files",
        f"{OPTIONS}::test_locked_down_is_all_of_them",
    ),
    "| Fetch files from, and send them to": (
        "jobs/test_fences.py::test_urls_of_other_hosts",
        f"{OPTIONS}::test_locked_down_is_all_of_them",
    ),
    "| Update, back up, restart or reload": (
        f"{ACTION_OPTIONS}::test_which_steps_are_meant",
        f"{ACTION_OPTIONS}::test_locked_down_leaves_checks",
    ),
    "| Check Home Assistant": (
        f"{ACTION_OPTIONS}::test_which_steps_are_meant",
        f"{ACTION_OPTIONS}::test_locked_down_leaves_checks",
    ),
    "| Perform actions of Home Assistant": (
        f"{ACTIONS}::test_what_is_listed_is_allowed",
        REAL,
        f"{ACTION_OPTIONS}::test_locked_down_leaves_checks",
    ),
    "| Change options, fences or the list": (
        f"{OPTIONS}::test_no_entity_action_or_command_changes_a_fence",
        f"{OPTIONS}::test_no_file_that_is_read_changes_a_fence",
        NEVER,
    ),
    "All of this has whoever may create a job": ADVICE,
    "| `iot:CreateJob`": AWS,
    "| `iot:AssociateTargetsWithJob`": AWS,
    "| `iot:CreateJobTemplate`": AWS,
    "| `s3:PutObject`": AWS,
    "| `iot:CreateProvisioningTemplateVersion`": AWS,
    # Who may create jobs
    "- Give `iot:CreateJob` in your AWS account": ADVICE,
    "- Let it be for `thinggroup/NAME` alone": AWS,
    "- In an organization": AWS,
    "- Have CloudTrail raise an alarm": AWS,
    "- A thing needs [the policy]": (
        "cloudformation/test_policies.py::test_a_home_may_do_what_is_documented"
    ),
    "- Who may enrol homes has [a claim]": (
        "cloudformation/test_enrolment.py::test_a_claim_is_for_nothing_else",
        "cloudformation/test_enrolment.py::test_a_known_serial_number_is_refused",
    ),
    "- Revoke the certificate of a thing": ADVICE,
    # Where steps run, and as whom
    "| In [the app](app.md#security)": (
        "app/test_container.py::test_a_handler_cannot_read_home_assistants_files",
        "app/test_files.py::test_the_app_asks_for_no_more_than_it_needs",
    ),
    "| By a runner at an address": (
        "app/test_files.py::test_compose_runs_the_same_image"
    ),
    "| In Home Assistant itself": ADVICE,
    "Choose the app where you can.": (
        "runner/test_users.py::test_without_setpriv_root_refuses_before_anything_runs",
        "runner/test_users.py::test_an_unknown_user_is_refused_before_anything_runs",
    ),
    # Handlers
    "A handler is trusted by who can change it.": (
        "runner/test_handlers.py::test_a_handler_in_the_handler_directory_has_mode_700",
        "runner/test_handlers.py::test_a_handler_name_stays_inside_its_directory",
        "runner/test_trust.py::test_nobody_else_may_write_above_a_handler",
    ),
    # Fences
    "Fences say what no job may do here": (
        "jobs/test_fences.py::test_a_fenced_off_job_is_rejected_without_asking",
        "jobs/test_fences.py::test_who_may_run_documents_may_not_run_these",
        "jobs/test_fences.py::test_a_fence_that_goes_up_ends_a_job_that_is_under_way",
    ),
    "| `commands` |": FENCES,
    "| `paths` |": (
        FENCES,
        "jobs/test_fences.py::test_without_path_only_the_handler_directory_is_looked_at",
    ),
    "| `handlers` |": FENCES,
    "| `users` |": FENCES,
    "| `upload_hosts` |": "jobs/test_fences.py::test_urls_of_other_hosts",
    "| `home_assistant_steps` |": f"{ACTION_OPTIONS}::test_which_steps_are_meant",
    "**Locked down** sets all six": f"{OPTIONS}::test_locked_down_is_all_of_them",
    "- no commands, and no paths": f"{OPTIONS}::test_locked_down_is_all_of_them",
    "- of the sample handlers those that change nothing": (
        f"{OPTIONS}::test_handlers_of_locked_down_are_samples"
    ),
    "- no user but the agent's own": f"{OPTIONS}::test_locked_down_is_all_of_them",
    "- only URLs of Amazon S3": f"{OPTIONS}::test_locked_down_is_all_of_them",
    "- of the steps in Home Assistant the check alone": (
        f"{ACTION_OPTIONS}::test_locked_down_leaves_checks"
    ),
    "The lists are as they were when you chose it": (
        f"{OPTIONS}::test_presets_in_the_options",
        f"{ACTION_OPTIONS}::test_an_update_loosens_no_lock_down",
    ),
    "Each fence is as good as what it leaves open.": ADVICE,
    # Actions
    "A step [`callAction`]": (
        f"{ACTIONS}::test_what_is_not_as_listed_is_refused",
        "components/steps/test_allowed_actions.py::test_a_list_decides",
        REAL,
    ),
    "What opens doors, or runs what may": (
        f"{ACTIONS}::test_doors_that_are_not_named_stay_closed",
        f"{ACTIONS}::test_doors_are_allowed_by_their_name_alone",
        REAL,
    ),
    "Some are never allowed, whatever the list says": (NEVER, REAL),
    "| `shell_command.*`": NEVER,
    "| `conversation.process`": NEVER,
    "| `hassio.restore_*`": NEVER,
    "| `homeassistant.stop`": NEVER,
    "| `homeassistant.restart` with `safe_mode`": (
        f"{ACTIONS}::test_never_into_safe_mode"
    ),
    "| `scene.apply`": NEVER,
    "| `aws_iot_jobs.*`": (
        NEVER,
        f"{STEP}::test_what_would_do_nothing_fails_before",
    ),
    "Jobs perform actions as the user **AWS IoT Jobs**": (
        f"{STEP}::test_activity_names_who_did_it",
        f"{STEP}::test_what_is_for_administrators",
        REAL,
    ),
    "What the list does not see": ADVICE,
    "A text with `{{`": (
        f"{ACTIONS}::test_what_no_document_may_say",
        f"{STEP}::test_the_user_is_made_once",
    ),
    # Who can change them
    "Only a person, in the dialogs of Home Assistant": (
        f"{OPTIONS}::test_no_entity_action_or_command_changes_a_fence",
        f"{OPTIONS}::test_no_file_that_is_read_changes_a_fence",
        f"{OPTIONS}::test_options_are_written_by_the_dialogs_alone",
    ),
    "Where handlers run decides how much": ADVICE,
    "- **In the app**, or by a runner": (
        "app/test_container.py::test_a_handler_cannot_read_home_assistants_files"
    ),
    "- **In Home Assistant itself**, a handler": ADVICE,
    # URLs
    "In the arguments of a handler": (
        "jobs/test_fences.py::test_urls_of_allowed_hosts",
        "jobs/test_fences.py::test_urls_of_other_hosts",
    ),
    "Programs do not agree on how a strange URL is read": (
        "jobs/test_fences.py::test_urls_of_other_hosts"
    ),
    "What this does not see": "jobs/test_fences.py::test_text_without_url",
    # Signed jobs
    "With [signed jobs](signed-jobs.md)": (
        "jobs/test_signed.py::test_nothing_else_runs",
        "jobs/test_signed.py::test_what_has_run_runs_no_more",
        "jobs/test_signed.py::test_unsigned_jobs_run_where_they_may",
        "components/test_signing_options.py::test_what_is_no_key_is_told",
        f"{OPTIONS}::test_no_entity_action_or_command_changes_a_fence",
    ),
    # Approval, and when jobs are taken
    "[The options](configuration.md#options) of a thing": (
        "jobs/test_approval.py::test_nothing_runs_before_it_is_approved",
        "jobs/test_approval.py::test_which_jobs_wait_for_what_they_bring_along",
        "jobs/test_approval.py::test_other_steps_are_asked_for_again",
    ),
    "**Take jobs** and the maintenance window": (
        "jobs/test_gate.py::test_a_thing_that_takes_no_jobs_asks_for_none",
        "jobs/test_gate.py::test_no_job_is_asked_for_outside_of_the_window",
    ),
    "To run a document without AWS is off by default": (
        "components/test_services.py::test_run_document_is_off"
    ),
    # Who may do what in Home Assistant
    "| See jobs, their results": (
        "components/test_services.py::test_who_only_looks_may_see",
        "components/test_websocket.py::test_who_may_not_read_is_refused",
    ),
    "| Stop a job, check for jobs": "components/test_services.py::test_who_lives_here",
    "| See what a waiting job would run": (
        "components/test_websocket.py::test_a_plan_is_for_administrators",
        "components/test_services.py::test_permissions",
        "components/test_services.py::test_who_lives_here",
    ),
    "| Repairs |": "components/test_approval_issue.py::test_approved",
    "Automations may do all of it.": (
        "components/test_services.py::test_approve",
        "components/test_llm.py::test_what_runs_and_why_the_last_job_failed",
        "components/test_llm.py::test_only_what_is_exposed",
    ),
    # A bundle in the folder share
    "With the app, a claim bundle in the folder": (
        "app/test_container.py::test_a_bundle_is_looked_for_in_share"
    ),
    "- Nothing is done before an administrator": (
        "components/test_runner.py::test_bundle_that_the_app_has_found_is_offered"
    ),
    "- The endpoint and the template are shown": (
        "components/test_runner.py::test_bundle_that_the_app_has_found_is_offered"
    ),
    "- It is offered only while there is no thing": (
        "components/test_runner.py::test_bundle_that_the_app_has_found_is_offered"
    ),
    "- The app hands over that one file": (
        "service/test_service.py::test_nothing_answers_without_the_token",
        "service/test_client.py::test_what_is_no_file_is_no_bundle",
    ),
    "- The key of the claim is in no message": (
        "components/test_claim_flow.py::test_kept_on_disk_or_not_at_all"
    ),
    # Keys and tokens
    "- The private key, the token of a runner and": (
        "components/test_storage.py::test_secrets",
        "components/test_proxy.py::test_add_through_a_proxy",
        "components/test_proxy.py::test_diagnostics",
        "components/test_init.py::test_private_key_is_not_in_the_entry",
        "components/test_init.py::test_removal",
    ),
    "- A [bundle](bundle.md) holds a private key.": ADVICE,
    "- A claim enrols homes": (
        "cloudformation/test_enrolment.py::test_a_claim_is_for_nothing_else",
        "components/test_claim_flow.py::test_kept_on_disk_or_not_at_all",
    ),
    "- AWS does not keep the private key": AWS,
    "- The app makes its token by itself": (
        "service/test_service.py::test_the_token_stays"
    ),
    "- Diagnostics have neither keys": (
        "components/test_diagnostics.py::test_diagnostics",
        f"{OPTIONS}::test_diagnostics_tell_which_are_up",
        f"{ACTION_OPTIONS}::test_how_many_are_listed_is_told",
    ),
    # Output
    "What a step prints is kept in Home Assistant": (
        "components/test_services.py::test_log",
        "jobs/test_report.py::test_the_end_of_an_output_is_kept_and_the_beginning_of_a_reason",
    ),
    "The signatures of presigned URLs": (
        "components/test_entities.py::test_presigned_urls",
        "components/test_entities.py::test_events_have_no_secrets",
        "components/test_logbook.py::test_activity_has_no_secrets",
        "jobs/test_logs.py::test_a_secret_in_two_chunks_is_hidden",
        f"{STEP}::test_a_response_is_the_output",
    ),
    # The connection
    "The connection goes out from the home": (
        "aws_iot/test_endpoint.py::test_port_without_tls",
        "aws_iot/test_endpoint.py::test_untrusted_authority",
    ),
    # What AWS is told
    "The status of each job, its reason": (
        "jobs/test_report.py::test_any_output_gives_details_that_aws_accepts",
        "components/test_options.py::test_versions_are_told_unless_they_are_not_to_be",
    ),
}
"""What holds each of them, by how it begins."""


def _claims() -> Iterator[str]:
    """Yield each paragraph, entry and row of the page, in a line."""
    for block in re.split(r"\n\n+", PAGE.read_text().strip()):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            continue
        if lines[0].startswith("|"):
            lines = lines[2:]
        yield from re.split(r"\n(?=- |\| )", "\n".join(lines))


@pytest.fixture(scope="module")
def claims() -> list[str]:
    """Return all that the page says, without its contents."""
    return [claim for claim in _claims() if not re.match(r"- \[[^]]+]\(#", claim)]


def test_no_claim_is_forgotten(claims: list[str]) -> None:
    """What is new on the page needs a test, and what is gone from it none."""
    begun = {
        claim: [start for start in CLAIMS if claim.startswith(start)]
        for claim in claims
    }
    assert [claim for claim, starts in begun.items() if len(starts) != 1] == []
    assert CLAIMS.keys() - {start for starts in begun.values() for start in starts} == (
        set()
    )


@pytest.mark.parametrize("begins", CLAIMS)
def test_what_holds_a_claim_is_there(begins: str) -> None:
    """By its name."""
    held_by = CLAIMS[begins]
    if held_by in {ADVICE, AWS}:
        return
    for test in (held_by,) if isinstance(held_by, str) else held_by:
        file, _, name = test.partition("::")
        assert name in _functions(TESTS / file), test


@cache
def _functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))
