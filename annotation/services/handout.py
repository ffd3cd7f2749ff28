"""Hand out places: who sees what next, inside the study's turn."""

from collections import Counter
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from annotation.allocation import Order, choose_order, choose_repeat, choose_unit
from annotation.flow import takes_work
from annotation.history import History, history_of
from annotation.holding import with_hold_stage
from annotation.models import Aspect, Assignment, Event, Item, Output, Participant, Persona, Slot, UnitTally
from annotation.overlap import takes_overlap
from annotation.pools import Board, TallyPool, TallyUnit, board_of
from annotation.prepared import KeptQuery, attach
from annotation.questions import slot_kind_of
from annotation.services.conditions import condition_next, proposal_make
from annotation.services.locks import study_lock
from annotation.services.log import events_log
from annotation.services.queue import outputs_hurry
from annotation.services.statements import insert
from annotation.services.tallies import assignment_recount, item_sides, tallies_refresh, unit_take
from annotation.units import planted_persona


def assignment_next(*, participant: Participant, shows: bool = False) -> Assignment | None:
    """Return the participant's open assignment, creating the next one if there is none; None when all is done.

    Own parts come first, then personas of others, then repetitions; a planted item comes when its part has come. Two
    requests at once get the same assignment, and two participants never share one last place. `shows` is for the page
    that shows the responses of a new one at once where it can, and saves that page a transaction.
    """
    study = participant.study
    with transaction.atomic():
        study_lock(study_id=study.pk)
        history = history_of(participant, shows=shows)
        if history.is_at_work:
            return Assignment.objects.get(participant=participant, state=Assignment.State.OPEN)
        if history.has_left or not takes_work(study.state, participant.kind):
            return None
        board = _fresh_board(participant)
        for hand_out in (_hand_out_planted, _hand_out_own, _hand_out_overlap, _hand_out_repeat):
            assignment = hand_out(history, board)
            if assignment:
                return assignment
        return None


def has_free_unit(participant: Participant) -> bool:
    """Whether any of the participant's own parts is left to begin."""
    history = history_of(participant)
    board = board_of(participant.study, participant.kind)
    if _has_own(history, board):
        return True
    if board.is_made and not board.is_overdue:
        return False
    # Tallies may lag behind in one direction only: they still count what time has ended, or are not there yet.
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        return _has_own(history, _fresh_board(participant))


def persona_foreseen(participant: Participant) -> int | None:
    """Return the given persona that the participant would be handed next, as things are; nothing is handed out.

    None where they will write one themselves first, or nothing is left. Others may be quicker: it is a guess.
    """
    history = history_of(participant)
    source = next(iter(history.sources_left()), None)
    if source != Persona.Source.GIVEN or history.has_left:
        return None
    choice = _choose(history, board_of(participant.study, participant.kind), UnitTally.Source(source))
    return choice[0].persona if choice else None


def slots_create(*, assignment: Assignment) -> None:
    """Place the outputs of a persona, once they are requested, in a counterbalanced order.

    Call it in the study's turn: two people who do this at once would not see each other's order.
    """
    _place_outputs(assignment, _persona(assignment.persona_id), history_of(assignment.participant))
    assignment_recount(assignment=assignment)


def _is_showable(persona: Persona) -> bool:
    """Whether nothing comes before the responses to a persona that has just been handed out."""
    is_ready = all(output.state == Output.State.READY for output in persona.outputs.all())
    is_held = bool(persona.__dict__.get("hold_stage"))
    return persona.submitted_at is not None and not persona.item.warning and is_ready and not is_held


def _fresh_board(participant: Participant) -> Board:
    """Return the levels as they are now; the caller holds the study's turn."""
    study, kind = participant.study, participant.kind
    board = board_of(study, kind)
    if board.is_made and not board.is_overdue:
        return board
    tallies_refresh(study=study, kind=kind)
    return board_of(study, kind)


def _has_own(history: History, board: Board) -> bool:
    sources = (UnitTally.Source(source) for source in history.sources_left())
    return any(TallyPool(board, history, source).has_unit() for source in sources)


def _hand_out_planted(history: History, board: Board) -> Assignment | None:
    if board.first_planted is None or board.first_planted > history.next_ordinal:
        return None
    planted = planted_persona(history)
    # Nobody comes for a planted item alone: where no place was left at the start, the study is full.
    if planted is None or (history.next_ordinal == 1 and not _has_own(history, board)):
        return None
    persona = _persona(planted)
    assignment = _create(history, persona, Assignment.Kind.CHECK)
    order = choose_order(
        seed=history.participant.study.seed,
        participant=history.participant.number,
        key=persona.item.key,
        arms=len(persona.outputs.all()),
        participant_sides=Counter(),
        item_sides=Counter(),
    )
    _create_slots(assignment, persona, order)
    return assignment


def _hand_out_own(history: History, board: Board) -> Assignment | None:
    for source in history.sources_left():
        choice = _choose(history, board, UnitTally.Source(source))
        if choice is None:
            continue
        unit, order = choice
        if source == Persona.Source.WRITTEN:
            return _hand_out_item(history, board, unit)
        return _hand_out_ready(history, board, unit, order, Assignment.Kind.MAIN)
    return None


def _hand_out_overlap(history: History, board: Board) -> Assignment | None:
    if not takes_overlap(history):
        return None
    choice = _choose(history, board, UnitTally.Source.OVERLAP)
    return _hand_out_ready(history, board, *choice, Assignment.Kind.OVERLAP) if choice else None


def _hand_out_repeat(history: History, board: Board) -> Assignment | None:
    participant = history.participant
    first = choose_repeat(
        seed=participant.study.seed,
        participant=participant.number,
        done=history.repeatable(),
        next_part=history.next_ordinal,
    )
    if first is None:
        return None
    repeated = Assignment.objects.get(pk=first)
    assignment = _create(history, _persona(repeated.persona_id), Assignment.Kind.REPEAT, repeat_of=repeated)
    _place_outputs(assignment, assignment.persona, history)
    return assignment


def _choose(history: History, board: Board, source: UnitTally.Source) -> tuple[TallyUnit, Order] | None:
    participant = history.participant
    choice = choose_unit(
        seed=participant.study.seed,
        participant=participant.number,
        part=history.chosen + 1,
        arms=board.arms,
        pool=TallyPool(board, history, source),
        participant_sides=history.sides,
        participant_blocks=history.blocks(),
    )
    return (choice.unit, choice.order) if choice else None


def _hand_out_item(history: History, board: Board, unit: TallyUnit) -> Assignment:
    item = Item.objects.get(pk=unit.item)
    draft = Persona.objects.create(
        item=item,
        source=Persona.Source.WRITTEN,
        author=history.participant,
        condition=condition_next(history, item),
        written_as=Persona.WrittenAs.FREE,
    )
    assignment = _create(history, draft, Assignment.Kind.MAIN)
    proposal_make(history=history, draft=draft)
    _take(history, assignment, board, unit, ())  # its outputs are placed when they are asked for
    return assignment


def _hand_out_ready(history: History, board: Board, unit: TallyUnit, order: Order, kind: Assignment.Kind) -> Assignment:
    assert unit.persona is not None  # of an item to write for alone
    assignment = _create(history, _persona(unit.persona), kind)
    _create_slots(assignment, assignment.persona, order)
    if any(output.state == Output.State.REQUESTED for output in assignment.persona.outputs.all()):
        outputs_hurry(persona=assignment.persona)
    _take(history, assignment, board, unit, order if kind == Assignment.Kind.MAIN else ())
    return assignment


def _take(history: History, assignment: Assignment, board: Board, unit: TallyUnit, order: Order) -> None:
    if history.is_excluded:
        return
    kind, expires_at = assignment.participant.kind, assignment.expires_at
    unit_take(unit=unit, kind=kind, order=order, arms=board.arms, expires_at=expires_at)


def _create(
    history: History, persona: Persona, kind: Assignment.Kind, *, repeat_of: Assignment | None = None
) -> Assignment:
    participant, now = history.participant, timezone.now()
    is_shown = history.shows and _is_showable(persona)
    assignment = Assignment(
        participant=participant,
        persona=persona,
        kind=kind,
        repeat_of=repeat_of,
        repeat=1 if repeat_of else 0,
        ordinal=history.next_ordinal,
        expires_at=now + timedelta(hours=participant.study.assignment_hours),
        shown_at=now if is_shown else None,
    )
    insert([assignment])
    kinds = [Event.Kind.ASSIGNED, Event.Kind.SHOWN] if is_shown else [Event.Kind.ASSIGNED]
    events_log(participant=participant, kinds=kinds, assignment=assignment)
    return assignment


def _place_outputs(assignment: Assignment, persona: Persona, history: History) -> None:
    """Choose the order of the outputs by where the arms have stood for this item, or by lot if the participant has
    seen responses to it before."""
    participant = history.participant
    is_new = all(part.item != persona.item_id for part in history.parts if part.pk != assignment.pk)
    order = choose_order(
        seed=participant.study.seed,
        participant=participant.number,
        key=(persona.item.key, assignment.repeat),
        arms=len(persona.outputs.all()),
        participant_sides=history.sides,
        item_sides=item_sides(study=participant.study, kind=participant.kind, item=persona.item_id)
        if is_new
        else Counter(),
    )
    _create_slots(assignment, persona, order)


_PERSONA = KeptQuery(
    lambda pk: with_hold_stage(Persona.objects.select_related("item"), persona="pk").filter(pk=pk), numbers=("pk",)
)
_OUTPUTS = KeptQuery(
    lambda persona: Output.objects.filter(persona=persona, sample=0).order_by("arm__code"), numbers=("persona",)
)


def _persona(pk: int) -> Persona:
    """Return a persona with its outputs by the arms' codes: two of a planted pair, however many arms there are."""
    persona = _PERSONA.first(pk=pk)
    assert persona is not None
    attach(persona, "outputs", list(_OUTPUTS.objects(persona=pk)))
    return persona


def _create_slots(assignment: Assignment, persona: Persona, order: Order) -> None:
    """Place the outputs as `order` says, and after them whatever else questions are asked about in this part."""
    outputs = persona.outputs.all()
    slots = [
        Slot(assignment=assignment, kind=Slot.Kind.OUTPUT, position=position, output=outputs[arm])
        for position, arm in enumerate(order, start=1)
    ]
    for position, kind in enumerate(_kinds_besides_outputs(assignment), start=len(slots) + 1):
        shown = persona if kind == Slot.Kind.PERSONA else None
        slots.append(Slot(assignment=assignment, kind=kind, position=position, persona=shown))
    insert(slots)
    attach(assignment, "slots", slots)


def _kinds_besides_outputs(assignment: Assignment) -> list[Slot.Kind]:
    asked = {
        slot_kind_of(aspect.kind)
        for aspect in assignment.participant.study.aspects.all()
        if aspect.kind != Aspect.Kind.CHECK or aspect.part == assignment.ordinal
    }
    return [kind for kind in (Slot.Kind.PAIR, Slot.Kind.PERSONA, Slot.Kind.CHECK) if kind in asked]
