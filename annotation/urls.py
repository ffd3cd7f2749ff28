"""Addresses of participants and researchers."""

from django.urls import include, path

from annotation.views import (
    arrival,
    elicitation,
    followups,
    home,
    images,
    participant,
    questionnaires,
    quiz,
    rating,
    skips,
    withdrawal,
    writing,
)

app_name = "annotation"

# A participant has one page; the server decides what stands on it. Everything below it only takes answers.
participant_urls = [
    path("", participant.page, name="participant"),
    path("consent/", participant.consent, name="consent"),
    path("language/", participant.language, name="participant_language"),
    path("instructions/", participant.instructions, name="instructions"),
    path("practice/", participant.practice, name="practice"),
    path("quiz/", quiz.answer, name="quiz"),
    path("questions/<slug:page>/", questionnaires.send, name="questionnaire"),
    path("images/<slug:sha256>/", images.image, name="image"),
    path("parts/<slug:key>/persona/", writing.submit, name="persona_submit"),
    path("parts/<slug:key>/draft/", writing.draft, name="persona_draft"),
    path("parts/<slug:key>/answers/", elicitation.answers, name="elicitation_answers"),
    path("parts/<slug:key>/assemble/", elicitation.assemble, name="elicitation_assemble"),
    path("parts/<slug:key>/proposal/", elicitation.proposal, name="elicitation_proposal"),
    path("parts/<slug:key>/wait/", writing.wait, name="wait"),
    path("parts/<slug:key>/failed/", writing.failed, name="failed"),
    path("parts/<slug:key>/held/", writing.held, name="held"),
    path("parts/<slug:key>/set-aside/", writing.set_aside, name="set_aside"),
    path("parts/<slug:key>/complete/", rating.complete, name="complete"),
    path("parts/<slug:key>/show-persona/", rating.show, name="persona_show"),
    path("parts/<slug:key>/time/", rating.time, name="time"),
    path("parts/<slug:key>/warning/", skips.warned, name="warned"),
    path("parts/<slug:key>/skip/", skips.skip, name="skip"),
    path("reasons/<slug:slot_key>/", followups.save, name="followup_save"),
    path("answers/<slug:slot_key>/<slug:aspect_key>/", rating.save, name="rating_save"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("arrive/<slug:token>/", arrival.arrive, name="arrive"),
    path("join/<slug:token>/", arrival.join, name="join"),
    path("p/<slug:token>/leave/", withdrawal.leave, name="leave"),
    path("p/<slug:token>/", include(participant_urls)),
    path("research/", include("annotation.research_urls")),
]
