"""Who is let in by an open link: how many places it has, how fast they go, and who comes back.

A place is taken by whoever has begun, for good, and held for a short time by who has not: from the start until they
agree to take part, and from then until they have read the instructions. So nobody uses a link up who takes no part.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.errors import NotAllowedNow, ServiceError, TooMany
from annotation.fields import id_key
from annotation.models import Arrival, OpenLink, Participant

logger = logging.getLogger(__name__)

MAX_CAP = 100_000
WINDOW = timedelta(hours=1)
# Who has done that has done some of the work.
BEGUN = Q(surveyed_before_at__isnull=False) | Q(instructed_at__isnull=False) | Q(completed_at__isnull=False)


@dataclass(frozen=True)
class Terms:
    """On which terms an open link lets people in; the fields of `OpenLink` with the same names."""

    cap: int
    hold_minutes: int = 15
    per_hour: int = 300
    per_network: int = 30
    shared_browsers: bool = False
    question: str = ""
    answers: Sequence[str] = ()


def check_terms(terms: Terms) -> None:
    """Raise ServiceError unless the question has answers and the limits let somebody in."""
    if bool(terms.question) != bool(terms.answers):
        raise ServiceError("A question needs answers that are taken, and answers need a question; give both or none.")
    if not 1 <= terms.cap <= MAX_CAP:
        raise ServiceError(f"{terms.cap} people were to be let in by one link; let in 1 to {MAX_CAP}.")
    if min(terms.hold_minutes, terms.per_hour, terms.per_network) < 1:
        raise ServiceError("A limit below 1 lets nobody in; switch the link off instead.")


def terms_fields(terms: Terms) -> dict[str, Any]:
    """Return the terms as the fields of `OpenLink`."""
    return {name: list(value) if name == "answers" else value for name, value in vars(terms).items()}


def places_taken(open_link: OpenLink) -> int:
    """Return how many places of a link are taken or held."""
    return _holders([open_link], open_link.hold_minutes).count()


def links_standing(links: Sequence[OpenLink]) -> list[tuple[OpenLink, int, int]]:
    """Return each link with its places that are taken or held, and how many it has let in within the last hour."""
    taken: Counter[int] = Counter()
    for minutes in {link.hold_minutes for link in links}:
        alike = [link for link in links if link.hold_minutes == minutes]
        taken.update(_by_link(_holders(alike, minutes)))
    lately = _by_link(Arrival.objects.filter(open_link__in=links, at__gt=timezone.now() - WINDOW))
    return [(link, taken[link.pk], lately.get(link.pk, 0)) for link in links]


def link_has_room(participant: Participant) -> bool:
    """Whether the link that somebody came by has their place still, or another one.

    Hold the study's turn to act on the answer.
    """
    link = participant.open_link
    if link is None:
        return True
    holders = _holders([link], link.hold_minutes)
    return holders.exclude(pk=participant.pk).count() < link.cap or holders.filter(pk=participant.pk).exists()


def place_take(*, open_link: OpenLink, network: str) -> None:
    """Let one more in, inside the caller's transaction and in the study's turn.

    `network` names where the request comes from, "" where that is unknown.

    Raises:
        NotAllowedNow: the link is switched off, or all its places are taken.
        TooMany: more came within an hour than the link lets in, in all or from this network.
    """
    link = OpenLink.objects.get(pk=open_link.pk)
    if not link.is_active or places_taken(link) >= link.cap:
        raise NotAllowedNow(full_text(link))
    now = timezone.now()
    Arrival.objects.filter(at__lte=now - WINDOW).delete()
    here = Arrival.objects.filter(open_link=link).order_by("at")
    _refuse_crowd(link, here, link.per_hour, now)
    if network:
        _refuse_crowd(link, here.filter(network=network_key(network)), link.per_network, now)
    Arrival.objects.create(open_link=link, network=network_key(network))


def full_text(link: OpenLink) -> str:
    """Return what is told when no place is left."""
    if link.is_active and _holders([link], link.hold_minutes).exclude(BEGUN).exists():
        return ngettext(
            "All places of this link are taken at the moment. Some may come free within %(count)s minute: try again "
            "then.",
            "All places of this link are taken at the moment. Some may come free within %(count)s minutes: try again "
            "then.",
            link.hold_minutes,
        ) % {"count": link.hold_minutes}
    return _("All places of this link are taken.")


def network_key(network: str) -> str:
    """Return a digest of a network address that counts it without naming it; "" stays ""."""
    return salted_hmac("annotation.network", network, algorithm="sha256").hexdigest()[:32] if network else ""


def check_answer(*, open_link: OpenLink, answer: str) -> None:
    """Raise ServiceError unless the answer to the link's question is one that is taken, whatever its case or blanks."""
    if open_link.question and id_key(answer) not in map(id_key, open_link.answers):
        raise ServiceError(_("This is not the answer. It stands in what you were sent with this link."))


def _refuse_crowd(link: OpenLink, arrivals: QuerySet[Arrival], limit: int, now: datetime) -> None:
    count = arrivals.count()
    if count < limit:
        return
    first_to_go = arrivals.values_list("at", flat=True)[count - limit]
    logger.warning("open link %s turned somebody away: more than %s came within an hour", link.pk, limit)
    raise TooMany(_("Too many people have come by this link within the last hour."), wait=first_to_go + WINDOW - now)


def _holders(links: Sequence[OpenLink], hold_minutes: int) -> QuerySet[Participant]:
    """The people who have places of links that hold them so long."""
    since = timezone.now() - timedelta(minutes=hold_minutes)
    holds = Q(consented_at__gt=since) | Q(consented_at__isnull=True, declined_at__isnull=True, created_at__gt=since)
    return Participant.objects.filter(BEGUN | holds, open_link__in=links, erased_at__isnull=True)


def _by_link(rows: QuerySet[Participant] | QuerySet[Arrival]) -> dict[int, int]:
    return dict(rows.order_by().values_list("open_link").annotate(n=Count("pk")))
