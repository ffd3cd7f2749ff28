"""Answer the requests of a folder by Ray Data's own vLLM processor: for systems of the vllm engine.

It places an engine on as many GPUs as its options want, on several nodes too, keeps the batch of each full over all
files, and starts an engine anew that has died. Prompts become tokens, and tokens answers, as in the engine itself, so
that the rows are the same.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import GenerationFailure
from modelhub.exchange.folder import AnswerIndex, Exchange, Outcome

if TYPE_CHECKING:
    from ray.data import Dataset

    from modelhub.engines.tokens import Codec

BATCH = 64
_ERROR = "__inference_error__"


class _OnNode:
    """What both ends of the processor have in common on a node: the folder, and the codec of its system."""

    def __init__(self, folder: str) -> None:
        import django

        django.setup()
        from modelhub.exchange.answering import checked_settings, vllm_arguments

        self._exchange = Exchange(Path(folder))
        self._settings = checked_settings(self._exchange)
        self._decoding, self._arguments = vllm_arguments(self._settings)

    @cached_property
    def _codec(self) -> "tuple[Codec, list[int]]":
        from vllm import AsyncEngineArgs
        from vllm.tokenizers import get_tokenizer

        from modelhub.engines.vllm.settings import model_codec

        config, name = AsyncEngineArgs(**self._arguments).create_model_config(), self._settings.model
        return model_codec(get_tokenizer(name), config, self._decoding, name=name)


class ToTokens(_OnNode):
    """Turns files of requests into rows for the processor; what cannot be asked is answered by its failure at once."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._index = AnswerIndex(self._exchange)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from modelhub.engines.vllm.settings import sampling_arguments

        codec, ends = self._codec
        for part in batch["part"]:
            rows = self._index.left_of(str(part))
            prompts, failed = codec.encode([request for _, request in rows])
            if failed:
                self._exchange.add_answers([(rows[index][0], failure) for index, failure in failed.items()])
            for number, prompt in enumerate(prompts):
                yield {
                    "key": [rows[prompt.index][0]],
                    "model": [self._settings.adapter or self._settings.model],
                    "tokenized_prompt": [prompt.ids],
                    "limit": [prompt.limit],
                    "sampling_params": [sampling_arguments(self._decoding, prompt, ends=ends, number=number)],
                }


class ToAnswers(_OnNode):
    """Writes what the processor has made to files of answers, and says which."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        rows = [(str(batch["key"][number]), self._outcome(batch, number)) for number in range(len(batch["key"]))]
        failed = sum(isinstance(one, GenerationFailure) for _, one in rows)
        return {"file": [self._exchange.add_answers(rows)], "done": [len(rows) - failed], "failed": [failed]}

    def _outcome(self, batch: dict[str, Any], number: int) -> Outcome:
        from modelhub.engines.tokens import TokenAnswer, TokenPrompt

        if error := str(batch[_ERROR][number]):
            return GenerationFailure(f"vLLM could not answer: {error.partition(':')[0]}.")
        prompt = TokenPrompt(0, [int(one) for one in batch["prompt_token_ids"][number]], int(batch["limit"][number]))
        made = [int(one) for one in batch["generated_tokens"][number]]
        codec, _ = self._codec
        return codec.result(TokenAnswer(prompt, made, float(batch["time_taken_llm"][number])))


def processed(exchange: Exchange, parts: "Dataset", *, engines: int, gpus: bool) -> "Dataset":
    """Return the data set of written files of answers for one of names of files of requests."""
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    from modelhub.exchange.answering import checked_settings, vllm_arguments

    settings = checked_settings(exchange)
    _, arguments = vllm_arguments(settings)
    each = {"CPU": 1, **({"GPU": 1} if gpus else {})}
    config = vLLMEngineProcessorConfig(
        model_source=settings.model,
        engine_kwargs={name: value for name, value in arguments.items() if name != "model"},
        concurrency=(1, engines),
        batch_size=BATCH,
        placement_group_config={"bundle_per_worker": each},
        should_continue_on_error=True,
        log_engine_metrics=False,
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
    )
    folder = [str(exchange.folder)]
    # These take no processor of their own, or engines might take all there are and wait for them.
    light = {"num_cpus": 0}
    processor = build_processor(config, preprocess_map_kwargs=light, postprocess_map_kwargs=light)
    asked = parts.map_batches(ToTokens, fn_constructor_args=folder, batch_size=1, concurrency=1, num_cpus=0)
    return processor(asked).map_batches(
        ToAnswers, fn_constructor_args=folder, batch_size=BATCH, concurrency=1, num_cpus=0
    )  # fmt: skip
