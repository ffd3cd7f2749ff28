"""Every address of the site with what each role gets there: the matrix that tests of all addresses go through."""

from dataclasses import dataclass
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# The browser of a participant holds no session: only the address says who it is.
SIGNED_OUT = ("anonymous", "participant")
SIGNED_IN = ("no role", "stranger", "stranger analyst", "member", "member analyst", "owner", "admin")
ROLES = (*SIGNED_OUT, *SIGNED_IN)
Cells = dict[str, int]
WRONG_METHOD = 405


def everybody(status: int) -> Cells:
    """Return the same status for every role."""
    return dict.fromkeys(ROLES, status)


def accounts(status: int, signed_out: int = 302) -> Cells:
    """Return the status for whoever is signed in; others are sent to sign in."""
    return {**dict.fromkeys(SIGNED_OUT, signed_out), **dict.fromkeys(SIGNED_IN, status)}


def study(status: int, **others: int) -> Cells:
    """Return the status for those whose study it is; `others` names roles that get something else (`_` for a space)."""
    strangers = {"no role": 403, "stranger": 404, "stranger analyst": 404}
    return {**accounts(status), **strangers, **{role.replace("_", " "): code for role, code in others.items()}}


def running(status: int) -> Cells:
    """Return the status for those who run the study; whoever was attached as an analyst is refused."""
    return study(status, member_analyst=403)


def sharing(status: int) -> Cells:
    """Return the status for the owner and admins."""
    return study(status, member=403, member_analyst=403)


@dataclass(frozen=True)
class Row:
    """An address: what its placeholders hold, what is sent, and the cells of the methods that it takes."""

    path: tuple[str, ...] = ()
    data: dict[str, str] | None = None
    get: Cells | None = None
    post: Cells | None = None
    put: Cells | None = None
    options: Cells | None = None
    other: Cells | None = None

    def expected(self, method: str) -> Cells:
        """Return the cells of a method; one that is not named is not taken. HEAD gets what GET gets."""
        cells: Cells | None = getattr(self, "get" if method == "HEAD" else method.lower(), None)
        return cells or self.other or everybody(WRONG_METHOD)


SIGNED_IN_ONLY = accounts(WRONG_METHOD)
STUDY = ("slug", "version")
NUMBER = (*STUDY, "number")


def page(*path: str, get: Cells, **more: Any) -> Row:
    """Return a row of an address that researchers read."""
    return Row(path, get=get, other=SIGNED_IN_ONLY, **more)


def action(*path: str, post: Cells, data: dict[str, str] | None = None) -> Row:
    """Return a row of an address that researchers send something to; opened or reloaded, it leads to its page."""
    return Row(path, data=data, get=accounts(302), post=post, other=SIGNED_IN_ONLY)


def link(*path: str, status: int, **data: str) -> Row:
    """Return a row of an address below a participant's link: whoever holds the link is the participant."""
    return Row(("token", *path), data=data, get=everybody(302), post=everybody(status))


# Analysts and admins alone, whether or not a study is theirs: nothing there is a study's, save the runs they may see.
ANALYSTS = ("stranger analyst", "member analyst", "admin")
PIPELINE = {**accounts(200), "no role": 403, "stranger": 403, "member": 403, "owner": 403}
# The run of these tests trained nothing, so that it has no curves; who may not read runs is not even told that.
NO_CURVES = {who: 404 if status == 200 else status for who, status in PIPELINE.items()}
FORM = {"put": accounts(200), "options": accounts(200)}
ADMINS = {**accounts(403), "admin": 200}
MATRIX: dict[str, Row] = {
    "health": Row(get=everybody(200)),
    "ready": Row(get=everybody(200)),
    # By the site's name, as all of these are asked for; who may read them: tests/operations/test_access.py.
    "metrics": Row(get=everybody(404)),
    "login": Row(
        get=accounts(302, signed_out=200), post=accounts(302, signed_out=200),
        put=accounts(302, signed_out=200), options=accounts(302, signed_out=200), other=accounts(302, signed_out=405),
    ),
    "logout": Row(post=accounts(302), options=accounts(200), other=SIGNED_IN_ONLY),
    "password_change": page(get=accounts(200), post=accounts(200), **FORM),
    "second_factor": page(get=accounts(200), post=accounts(422)),
    "password_change_done": page(get=accounts(200), options=accounts(200)),
    # A choice that anybody may make, and words that anybody's page loads.
    "set_language": Row(data={"language": "de"}, post=everybody(302)),
    "words": Row(("language",), get=everybody(200)),
    "annotation:home": Row(get=accounts(302, signed_out=200)),
    "annotation:arrive": Row(("arrival",), get=everybody(400), post=everybody(400)),
    "annotation:join": Row(("open",), get=everybody(200), post=everybody(302)),
    "annotation:participant": Row(("token",), get=everybody(200)),
    "annotation:leave": Row(("token",), get=everybody(200), post=everybody(302)),
    "annotation:image": Row(("token", "sha256"), get=everybody(404)),  # no item of this study has an image
    "annotation:study_image": page(*STUDY, "sha256", get=study(404)),
    "annotation:consent": link(status=302, answer="agree"),
    "annotation:participant_language": link(status=302, lang="en"),
    "annotation:instructions": link(status=302),
    "annotation:practice": link(status=302),
    "annotation:quiz": link(status=400),
    "annotation:questionnaire": link("page", status=302),
    "annotation:persona_submit": link("key", status=302),
    "annotation:persona_draft": link("key", status=400),
    "annotation:elicitation_answers": link("key", status=400),
    "annotation:elicitation_assemble": link("key", status=302),
    "annotation:elicitation_proposal": link("key", status=302),
    "annotation:wait": Row(("token", "key"), get=everybody(302)),
    "annotation:failed": Row(("token", "key"), get=everybody(302)),
    "annotation:held": Row(("token", "key"), get=everybody(302)),
    "annotation:set_aside": link("key", status=302),
    "annotation:complete": link("key", status=422),
    "annotation:persona_show": link("key", status=302),
    "annotation:time": link("key", status=400),
    "annotation:warned": link("key", status=302),
    "annotation:skip": link("key", status=302, reason="r"),
    "annotation:followup_save": link("slot", status=422),
    "annotation:rating_save": link("slot", "aspect", status=400),
    "annotation:accounts": page(get=ADMINS),
    "annotation:account_add": action(post={**ADMINS, "admin": 422}),
    "annotation:account_renew": action("account", post=ADMINS),
    "annotation:account_switch": action("account", post=ADMINS),
    "annotation:study_list": page(get={**accounts(200), "no role": 403}),
    "annotation:recruit": page(*STUDY, get=running(200)),
    "annotation:recruit_sync": action(*STUDY, post=running(422)),
    "annotation:recruit_list": page(*STUDY, "list", get=sharing(200)),
    "annotation:participant_forget": action(*NUMBER, post=running(200)),
    "annotation:amendments": page(*STUDY, get=study(200)),
    "annotation:wave_add": action(*STUDY, post=running(422)),
    "annotation:amend": action(*STUDY, post=running(422)),
    "annotation:study": page(*STUDY, get=study(200)),
    "annotation:make_new": page(get={**accounts(200), "no role": 403}, post={**accounts(422), "no role": 403}),
    "annotation:make_file": page(*STUDY, get=study(200)),
    "annotation:make_differences": page(*STUDY, get=study(200)),
    "annotation:make_renew": action(*STUDY, post=sharing(302)),
    # What is frozen is told to be so.
    "annotation:make_edit": page(*STUDY, "section", get=running(200), post=running(409)),
    "annotation:make_preview": action(*STUDY, "section", post=running(200)),
    "annotation:make_items": page(*STUDY, get=running(200)),
    "annotation:make_item": page(*STUDY, "place", get=running(200), post=running(409)),
    "annotation:study_texts": page(*STUDY, get=study(200)),
    "annotation:items": page(*STUDY, get=study(200)),
    "annotation:study_outputs": page(*STUDY, get=study(200)),
    "annotation:exports": page(*STUDY, get=study(200)),
    "annotation:quality": page(*STUDY, get=study(200)),
    # The part is not finished: there is nothing to decide yet.
    "annotation:part_decided": action(*STUDY, "key", post=running(409), data={"decision": "keep", "reason": "r"}),
    "annotation:dashboard": page(*STUDY, get=study(200)),
    "annotation:participants": page(*STUDY, get=study(200)),
    "annotation:audit": page(*STUDY, get=study(200)),
    "annotation:ethics": page(*STUDY, get=running(200)),
    "annotation:ethics_download": page(*STUDY, get=running(200)),
    "annotation:key": page(*STUDY, get=sharing(200)),
    "annotation:key_destroyed": action(*STUDY, post=sharing(409), data={"confirmed": "on"}),
    "annotation:release": page(*STUDY, get=study(200)),
    "annotation:export_zip": page(*STUDY, "format", get=study(200)),
    "annotation:export_download": page(*STUDY, "table", "format", get=study(200)),
    "annotation:participant_links": page(*STUDY, get=running(200)),
    "annotation:participant_links_csv": page(*STUDY, get=running(200)),
    "annotation:participant_seen": page(*NUMBER, get=study(200)),
    "annotation:participant_change": page(*NUMBER, get=running(200)),
    "annotation:members": page(*STUDY, get=sharing(200)),
    "annotation:study_state": action(*STUDY, post=running(302), data={"action": "pause"}),
    "annotation:outputs_retry": action(*STUDY, post=running(302)),
    "annotation:preview": action(*STUDY, post=running(302)),
    "annotation:participants_create": action(*STUDY, post=running(302), data={"count": "1"}),
    "annotation:participants_invite": action(*STUDY, post=running(422)),
    "annotation:open_link_create": action(*STUDY, post=running(302), data={"cap": "1"}),
    "annotation:open_link": page(
        *STUDY, "link", get=running(200), post=running(302), data={"cap": "2"}
    ),
    "annotation:open_link_picture": page(*STUDY, "link", get=running(200)),
    "annotation:open_link_deactivate": action(*STUDY, "link", post=running(302)),
    "annotation:participant_exclude": action(*NUMBER, post=running(302), data={"reason": "r"}),
    "annotation:participant_include": action(*NUMBER, post=running(409), data={"reason": "r"}),
    "annotation:participant_link_replace": action(*NUMBER, post=running(200)),
    "annotation:member_add": action(*STUDY, post=sharing(302), data={"username": "colleague", "role": "researcher"}),
    "annotation:member_remove": action(*STUDY, "member", post=sharing(302)),
    "modelhub:scan": page(*STUDY, get=study(200)),
    "modelhub:scan_exclude": action(*STUDY, "persona", post=running(409), data={"reason": "r"}),
    "modelhub:scan_include": action(*STUDY, "persona", post=running(409)),
    "modelhub:data": page(*STUDY, get=study(200)),
    "modelhub:data_add": action(*STUDY, post=running(422)),
    # Whoever brought a file is alone to see it, since it may say which arm is which; here it is the member.
    "modelhub:upload": page(
        *STUDY, "upload", get=running(404) | {"member": 200}, post=running(404) | {"member": 302}
    ),
    "modelhub:upload_forget": action(*STUDY, "upload", post=running(404) | {"member": 302}),
    "modelhub:held": page(*STUDY, get=study(200)),
    "modelhub:held_release": action(*STUDY, "persona", "stage", post=running(302)),
    "modelhub:held_refuse": action(*STUDY, "persona", "stage", post=running(302), data={"reason": "r"}),
    # The owner here is a researcher: owning a study does not unblind it.
    "modelhub:arms": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:arms_bound": action(*STUDY, post=study(422, owner=403, member=403, member_analyst=403)),
    "modelhub:systems_tried": action(*STUDY, post=study(422, owner=403, member=403, member_analyst=403)),
    "modelhub:trials": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:report": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:unblinded_download": page(*STUDY, "format", get=study(200, owner=403, member=403)),
    "modelhub:report_compute": action(*STUDY, post=study(302, owner=403, member=403)),
    "modelhub:results": page(*STUDY, get=study(200)),
    "modelhub:results_compute": action(*STUDY, post=study(302)),
    "modelhub:rehearsal": page(*STUDY, get=study(200)),
    "modelhub:rehearsal_start": action(*STUDY, post=running(422)),
    "modelhub:reminders": page(*STUDY, get=running(200)),
    "modelhub:reminders_start": action(*STUDY, post=running(422)),
    "modelhub:power": page(*STUDY, get=study(200)),
    "modelhub:power_simulation": action(*STUDY, post=study(422)),
    # The job is a rehearsal, which has made no files.
    "modelhub:job_progress": page(*STUDY, "job", get=study(200)),
    "modelhub:job_end": action(*STUDY, "job", post=running(302)),
    "modelhub:job_files": page(*STUDY, "job", get=study(404)),
    "modelhub:agreement_panel": page(*STUDY, get=study(200)),
    "modelhub:runs": page(get=PIPELINE),
    "modelhub:run": page("run", get=PIPELINE),
    "modelhub:run_curves": page("run", get=NO_CURVES),
    "modelhub:training": page(get=PIPELINE),
    "modelhub:pairs": page(get=PIPELINE),
    "modelhub:pair": page("pair", get=PIPELINE),
    "modelhub:systems": page(get=PIPELINE),
    "modelhub:system": page("system", get=PIPELINE),
    "modelhub:outputs": page(get=PIPELINE),
    "modelhub:persona_accuracy": page(get=PIPELINE),
    "modelhub:persona_words": page(get=PIPELINE),
    "modelhub:preference_attributes": page(get=PIPELINE),
    "modelhub:judgements": page(get=PIPELINE),
    # Without saying which comparison, there is none to show.
    "modelhub:judged_pairs": page(get={**PIPELINE, **dict.fromkeys(ANALYSTS, 404)}),
    "modelhub:judged_pair": page("judged base", "judged test", get=PIPELINE),
}  # fmt: skip
