"""What providers reached by HTTP have in common: one session, and one place that sorts answers.

A provider's file holds pure functions: letters and message → `HttpRequest`, answer → an outcome for each letter, or a
`Trouble` that concerns the whole call. `Calls` makes the calls, and deals with every trouble in the same way:

- one bad address that costs a whole call is found by halves, and refused alone;
- a call that is too large is made in halves;
- an answer that says "later" puts the letters off and gives the time to wait;
- where the provider knows a key for each call, a lost answer is asked for again under that key;
- an answer that would hit every reader stops the run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Protocol, TypeVar

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import Alike, Letter, Letters, Outcome, OutcomeKind, unlike
from bulletin.providers import _http
from bulletin.providers._copies import Copy, Entries, Once, json_text
from bulletin.providers._http import HttpRequest, HttpResponse, NoAnswer, NotSent, Post
from bulletin.providers._provider import Capabilities, ProviderError, Surroundings, refused_unsent
from bulletin.render.message import Message

WAIT_S = 30.0
"""Seconds to leave a provider alone that says "later" and not how much later."""

_WAIT_FOR_SOME_S = 5.0
"""The same where it took some letters of a call: it is only being hurried."""

_AGAIN_S = (1.0, 5.0)
"""Seconds before a call without an answer is asked for again under its key."""

_PLAIN_ADDRESS = re.compile(r"[!#-'*+\--9=?A-Z^-~.]{1,64}@[A-Za-z0-9.-]{1,253}")
"""An address that stands in every header and every list as it is; others were not let in as readers."""

_PLAIN_ADDRESSES = re.compile(rf"(?:{_PLAIN_ADDRESS.pattern}\n)*")


class Trouble(Enum):
    """What an answer means that is about a whole call."""

    LATER = "later"
    """Nothing was taken, and it may be offered again."""
    UNSURE = "unsure"
    """Nobody can tell whether it was carried out."""
    ADDRESS = "address"
    """Nothing was taken, for an address in it."""
    SIZE = "size"
    """Nothing was taken, for there is too much in it."""
    STOP = "stop"
    """Nothing was taken, and no other call would fare better."""


def trouble(response: HttpResponse) -> Trouble:
    """What a status means wherever a provider has no words of its own for it.

    An answer of a gateway (502, 504) does not say whether the provider had the call. Anything below 300 that a provider
    could not make sense of confirms nothing.
    """
    if response.status in (408, 425, 429):
        return Trouble.LATER
    if response.status in (502, 504) or response.status < 300:
        return Trouble.UNSURE
    if response.status >= 500:
        return Trouble.LATER
    return Trouble.SIZE if response.status == 413 else Trouble.STOP


class Service(Protocol):
    """A mail service as pure values: what it is asked, and what its answers mean."""

    @property
    def title(self) -> str:
        """Its name for people: Postmark."""

    @property
    def batch(self) -> int:
        """Most letters in one call."""

    @property
    def batch_bytes(self) -> int | None:
        """Most bytes in one call, if that has a limit."""

    @property
    def repeats(self) -> bool:
        """Whether the same call made twice is carried out once: it has a key that covers the whole call."""

    @property
    def hints(self) -> Mapping[int, str]:
        """What a person can do about a status that stops the run. 0 stands for all others."""

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call for all these letters; equal letters give an equal call. Raises `UnsupportedFeature`."""

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """One outcome for each letter, in order, or what the answer means for the whole call."""

    def pause(self, response: HttpResponse) -> float:
        """Seconds until the next call may be made, where the provider counts calls; else 0."""


class Api:
    """What the services of this folder have in common, as far as they have it: a `Service` to build on.

    Pure but for one thing: what a message looks like in the service's words is kept for the next call.
    """

    title: str
    capabilities: Capabilities
    repeats = False
    nested = False
    """Whether personal values stand in JSON that is itself a text in JSON."""
    hints: Mapping[int, str]

    def __init__(self, base: str, key: str) -> None:
        self.base, self._key = base, key
        self.entries = Once(self._entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    @property
    def batch(self) -> int:
        """See `Service`."""
        return self.capabilities.batch

    @property
    def batch_bytes(self) -> int | None:
        """See `Service`."""
        return self.capabilities.batch_bytes

    def _entries(self, message: Message, mailing: str) -> Entries:
        return Entries(message, lambda copy: self.describe(message, mailing, copy), tag=self.tag_of, nested=self.nested)

    def describe(self, message: Message, mailing: str, copy: Copy) -> object:
        """One reader's copy, or what is said of one reader, as JSON."""
        raise NotImplementedError

    def tag_of(self, key: str) -> str:
        """Our key in the letters that the service takes."""
        return key

    def login(self) -> Mapping[str, str]:
        """The headers that hold the key."""
        raise NotImplementedError

    def pause(self, response: HttpResponse) -> float:
        """None: it names no limit that our calls could reach."""
        return 0.0

    def call(self, method: str, path: str, value: object = None, *, body: bytes = b"") -> HttpRequest:
        """A request with JSON, given as it is or as the value it stands for."""
        body = body or (b"" if value is None else json_text(value).encode())
        login = self.login()
        told = (*login.values(), *(given.rpartition(" ")[2] for given in login.values()), self._key)
        content = {"Content-Type": "application/json"} if body else {}
        headers = {"Accept": "application/json", **content, **login}
        return HttpRequest(
            url=f"{self.base}{path}", method=method, headers=headers, body=body, secrets=tuple(filter(None, told))
        )

    def question(self, path: str, **parameters: object) -> HttpRequest:
        """A request for what stands under this path."""
        return self.call("GET", _http.with_query(path, parameters.items()))


class Calls:
    """A session with a service. See `providers._provider.Session`."""

    def __init__(self, service: Service, post: Post, surroundings: Surroundings) -> None:
        self.wait = 0.0
        self._service, self._post = service, post
        self._sleep, self._now = surroundings.sleep, surroundings.now
        self._later = False
        self._pause_s, self._paused_at = 0.0, surroundings.now()

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> Sequence[Outcome]:
        """See `providers._provider.Session`."""
        self.wait, self._later = 0.0, False
        known = _Known()
        fit = letters if _all_fit(letters) else [letter for letter in letters if _fits(letter, known)]
        try:
            for start in range(0, len(fit), self._service.batch):
                self._offer(mailing, fit[start : start + self._service.batch], message, known)
        except ProviderError as error:
            known.spread()
            told = itertools.takewhile(lambda letter: letter.key in known, letters)
            error.outcomes = tuple(known[letter.key] for letter in told)
            raise
        if whole := known.whole(len(letters)):
            return whole
        known.spread()
        return [known[letter.key] for letter in letters]

    def ask(self, request: HttpRequest) -> HttpResponse:
        """The answer to something that is no delivery. Raises `ProviderError` if it is none."""
        self._keep_pace()
        answer = self._post(request)
        if not isinstance(answer, HttpResponse):
            raise ProviderError(f"{self._service.title} gave no answer: {answer.reason}.", hint="Try again later.")
        self._pause_after(answer)
        if answer.status >= 300:
            if trouble(answer) is not Trouble.STOP:
                self.wait = answer.retry_after or WAIT_S
            raise stopped(self._service, answer)
        return answer

    def each(self, letters: Sequence[Letter], ask: Callable[[Letter], Outcome | None]) -> list[Outcome | None]:
        """What was found of each letter. Once the service gives no answer, nothing is known of those that follow."""
        found: list[Outcome | None] = []
        try:
            found.extend(map(ask, letters))
        except ProviderError:
            found.extend([None] * (len(letters) - len(found)))
        return found

    def _offer(self, mailing: str, letters: Sequence[Letter], message: Message, known: _Known) -> None:
        """One call, or several where one is too much. Enters an outcome for each letter."""
        if self._later:
            _enter(letters, OutcomeKind.RETRY, f"{self._service.title} wants to be left alone first", known)
            return
        request = self._service.request(mailing, letters, message)
        if self._service.batch_bytes and len(request.body) > self._service.batch_bytes and len(letters) > 1:
            self._in_halves(mailing, letters, message, known)
            return
        answer, doubt = self._answer(letters, request)
        if doubt and not self._certain(letters, answer):
            _enter(letters, OutcomeKind.UNKNOWN, doubt, known)
            return
        match answer:
            case NotSent(reason):
                self._later, self.wait = True, WAIT_S
                _enter(letters, OutcomeKind.RETRY, reason, known)
            case NoAnswer(reason):
                _enter(letters, OutcomeKind.UNKNOWN, reason, known)
            case HttpResponse():
                self._take(mailing, letters, message, answer, known)

    def _answer(self, letters: Sequence[Letter], request: HttpRequest) -> tuple[HttpResponse | NotSent | NoAnswer, str]:
        """The answer to a call, and what was said instead of an answer the first time, if it had to be made again."""
        self._keep_pace()
        answer, doubt = self._post(request), ""
        for seconds in _AGAIN_S if self._service.repeats else ():
            lost = isinstance(answer, NoAnswer) or (
                isinstance(answer, HttpResponse) and self._service.outcomes(letters, answer) is Trouble.UNSURE
            )
            if not lost and not (doubt and not self._certain(letters, answer)):
                break
            doubt = doubt or _reason(answer)
            self._sleep(seconds)
            answer = self._post(request)
        return answer, doubt

    def _pause_after(self, response: HttpResponse) -> None:
        self.wait = self._pause_s = self._service.pause(response)
        self._paused_at = self._now()

    def _keep_pace(self) -> None:
        """Wait for what is left of the pause after the last call, where nobody waited so long meanwhile."""
        since = max(0.0, (self._now() - self._paused_at).total_seconds())
        if since < self._pause_s:
            self._sleep(self._pause_s - since)
        self._pause_s = 0.0

    def _certain(self, letters: Sequence[Letter], answer: HttpResponse | NotSent | NoAnswer) -> bool:
        """Whether an answer to a call made again also tells what became of the first.

        What is wrong with its words was wrong with them before. That it may not be made now says nothing.
        """
        if not isinstance(answer, HttpResponse):
            return False
        return self._service.outcomes(letters, answer) not in (Trouble.LATER, Trouble.UNSURE, Trouble.STOP)

    def _take(
        self,
        mailing: str,
        letters: Sequence[Letter],
        message: Message,
        response: HttpResponse,
        known: _Known,
    ) -> None:
        told = self._service.outcomes(letters, response)
        self._pause_after(response)
        if not isinstance(told, Trouble):
            known.add(told)
            if any(outcome.kind is OutcomeKind.RETRY for outcome in unlike(told)):
                self._later, self.wait = True, response.retry_after or _WAIT_FOR_SOME_S
        elif told in (Trouble.ADDRESS, Trouble.SIZE) and len(letters) > 1:
            self._in_halves(mailing, letters, message, known)
        elif told is Trouble.ADDRESS:
            _enter(letters, OutcomeKind.REFUSED, _reason(response), known)
        elif told in (Trouble.LATER, Trouble.UNSURE):
            if response.status >= 300:
                self._later, self.wait = True, response.retry_after or WAIT_S
            kind = OutcomeKind.RETRY if told is Trouble.LATER else OutcomeKind.UNKNOWN
            _enter(letters, kind, _reason(response), known)
        else:
            raise stopped(self._service, response)

    def _in_halves(self, mailing: str, letters: Sequence[Letter], message: Message, known: _Known) -> None:
        middle = len(letters) // 2
        self._offer(mailing, letters[:middle], message, known)
        self._offer(mailing, letters[middle:], message, known)


class _Known(dict[str, Outcome]):
    """Outcomes by their keys. Those of calls that had one answer for all their letters come into it when needed."""

    def __init__(self) -> None:
        super().__init__()
        self._alike: list[Alike] = []

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """What came of a call."""
        if isinstance(outcomes, Alike):
            self._alike.append(outcomes)
        else:
            self.update((outcome.key, outcome) for outcome in outcomes)

    def whole(self, count: int) -> Alike | None:
        """The one answer for all of so many letters, if they have one."""
        alone = not self and len(self._alike) == 1 and len(self._alike[0]) == count
        return self._alike[0] if alone else None

    def spread(self) -> None:
        """Enter every outcome under its key."""
        self.update((outcome.key, outcome) for outcomes in self._alike for outcome in outcomes)
        self._alike.clear()


def addresses_of(letters: Sequence[Letter]) -> Sequence[str]:
    """Where the letters of a call go."""
    return letters.addresses if isinstance(letters, Letters) else [letter.address for letter in letters]


def _all_fit(letters: Sequence[Letter]) -> bool:
    """Whether all of them fit, as far as that can be seen at one look."""
    return isinstance(letters, Letters) and bool(_PLAIN_ADDRESSES.fullmatch("\n".join([*letters.addresses, ""])))


def _fits(letter: Letter, known: _Known) -> bool:
    """Whether a letter can be a message at all. One that cannot is refused alone (promise 6, M-10)."""
    if _PLAIN_ADDRESS.fullmatch(letter.address):
        return True
    error = BulletinError("the header To would hold a line break, a space, a bracket or a letter outside a to z.")
    known[letter.key] = refused_unsent(letter, error)
    return False


def _enter(letters: Sequence[Letter], kind: OutcomeKind, reason: str, known: _Known) -> None:
    known.update((letter.key, Outcome(key=letter.key, kind=kind, reason=reason)) for letter in letters)


def accepted(letters: Sequence[Letter], provider_id: str, reason: str = "") -> Sequence[Outcome]:
    """Every letter of a call accepted, under the one id that the provider gave to the call."""
    keys = letters.keys if isinstance(letters, Letters) else [letter.key for letter in letters]
    return Alike(keys=keys, kind=OutcomeKind.ACCEPTED, reason=reason, provider_id=provider_id)


# ---------------------------------------------------------------- what a service said


def words_of(response: HttpResponse) -> str:
    """What a service says in an answer, in its own words: most call it one of these names."""
    said = _first_words(response.value())
    return " ".join((said or response.body[:200]).split())


def _first_words(value: object) -> str:
    if isinstance(value, list):
        return next(filter(None, map(_first_words, value[:5])), "")
    if not isinstance(value, dict):
        return ""
    for name in ("message", "Message", "ErrorMessage", "detail", "error"):
        if isinstance(value.get(name), str) and value[name].strip():
            return str(value[name])
    return next(filter(None, (_first_words(value.get(name)) for name in ("errors", "Errors", "Messages"))), "")


def _reason(answer: HttpResponse | NotSent | NoAnswer) -> str:
    return f"{answer.status} {words_of(answer)}" if isinstance(answer, HttpResponse) else answer.reason


def stopped(service: Service, response: HttpResponse) -> ProviderError:
    """Why no letter is taken for now, and what to do about it."""
    hint = service.hints.get(response.status) or service.hints.get(0, "Look at what it says, and at its settings.")
    return ProviderError(f"{service.title} answered {response.status}: {words_of(response)}", hint=hint)


# ---------------------------------------------------------------- opening a session


class SettingsOfService(Protocol):
    """What the settings of every service hold."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for an answer."""

    @property
    def endpoint(self) -> str | None:
        """Another web address in place of the service's own."""


S = TypeVar("S", bound=SettingsOfService)


def settings_of(config: Config, name: str, kind: type[S], *, usual: Callable[[S], str]) -> tuple[S, str]:
    """The settings under `[providers.NAME]`, and the web address that calls go to, without a slash at its end.

    Raises `BulletinError` if they are missing or wrong, or if a key would travel in clear text.
    """
    settings = provider_settings(config, name, kind)
    if settings.timeout <= 0:
        hint = f"Write a timeout above 0 under [providers.{name}], or leave it out."
        raise BulletinError("nobody can answer within no time.", hint=hint)
    base = (settings.endpoint or usual(settings)).rstrip("/")
    _http.refuse_clear_text(base)
    return settings, base


def key_of(surroundings: Surroundings, title: str, variable: str, *, kind: str = "a key") -> str:
    """The key of a service, from the environment. Raises `BulletinError` naming the variable (Z-23)."""
    key = surroundings.environment.get(variable, "").strip()
    if not key:
        raise BulletinError(f"there is no key for {title}.", hint=f"Put {kind} into {variable}.")
    if not re.fullmatch(r"[!-~]+", key):
        raise BulletinError(f"the key for {title} holds a space or a letter outside a to z.", hint=f"Mend {variable}.")
    return key


C = TypeVar("C", bound=Calls)


@contextmanager
def session_with(kind: Callable[[Post], C], timeout: float) -> Iterator[C]:
    """A session over connections of its own, closed at the end."""
    with _http.client(timeout) as post:
        yield kind(post)
