"""Clients and thieves over HTTP, as `Tests/TokenRotationTests/Behaviours.swift` has them with the rules alone."""

from servers import Column, Pair

MONTH = 30 * 24 * 60
# When a thief copies a token, and how often it looks whether its access token still works. Odd and even: so no token
# ends in the minute in which another is asked for.
THEFT, LOOK = 12 * 60 + 11, 8


class Behaviour:
    """One grant; `time` is minutes since the user signed in."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.start = column.clock.now() + 30
        self.time = 0
        self.first = column.sign_in()
        self.advance(0)

    def advance(self, minutes: int) -> None:
        self.time += minutes
        self.column.clock.advance_to(self.start + 60 * self.time)

    def use(self, pair: Pair) -> Pair | None:
        """Refreshes and uses the new access token at once; None: the client is signed out."""
        answer = self.column.refresh(pair)
        return answer if answer and self.column.accepts(answer) else None

    def signed_out(self) -> str:
        return f"signed out after {span(self.time)}"

    def winners(self, tokens: list[Pair]) -> int:
        """How many of these lead on apart: each is refreshed, and what another led to is not counted."""
        known, count = {pair.refresh for pair in tokens}, 0
        for pair in tokens:
            answer = self.column.refresh(pair)
            if answer and answer.refresh not in known:
                known.add(answer.refresh)
                count += 1
        return count

    def verdict(self, tokens: list[Pair], otherwise: str) -> str:
        distinct = list({pair.refresh: pair for pair in tokens}.values())
        return "two winners" if self.winners(distinct) > 1 else otherwise

    def take_turns(self, machines: int, every: int) -> str:
        held, turn = [self.first] * machines, 0
        while self.time + every < MONTH:
            self.advance(every)
            pair = self.use(held[turn % machines])
            if pair is None:
                return self.verdict(held, self.signed_out())
            held[turn % machines] = pair
            turn += 1
        return self.verdict(held, "works")

    def come_back(self, after: int, every: int) -> str:
        held = self.first
        for _ in range(after):
            self.advance(every)
            held = self.use(held)
            if held is None:
                return self.signed_out()
        self.advance(every)
        pair = self.use(self.first)
        return self.verdict([held, pair], "works") if pair else self.signed_out()

    def repeat_lost(self, after: int, processes: int) -> str:
        self.advance(60)
        self.column.refresh_and_hang_up(self.first)
        if after:
            self.advance(after)
        return self.crowd(processes)

    def refresh_at_once(self, processes: int) -> str:
        self.advance(60)
        return self.crowd(processes)

    def crowd(self, processes: int) -> str:
        answers = self.column.refresh_at_once(self.first, processes)
        pairs = [pair for pair in answers if pair and self.column.accepts(pair)]
        return self.verdict(pairs, "works" if len(pairs) == processes else self.signed_out())

    def never_keep(self, every: int) -> str:
        while self.time + every < MONTH:
            self.advance(every)
            if self.use(self.first) is None:
                return self.signed_out()
        return "works"

    def steal(self, after: int, goes_on: bool) -> str:
        """The client refreshes hourly; a thief copies what it has after half a day, and uses it `after` minutes later."""
        held, stolen, booty, life = self.first, None, None, 0
        refresh, look, end = 60, THEFT, MONTH - 1
        while min(refresh, look) < end:
            self.advance(min(refresh, look) - self.time)
            if self.time == refresh:
                held = self.use(held)
                refresh = refresh + 60 if held else end
            elif stolen is None:
                stolen, look = held, look + after
            else:
                is_good = booty is not None and self.column.accepts(booty)
                if not is_good and (booty is None or goes_on):
                    booty = self.use(booty or stolen)
                    is_good = booty is not None
                life, look = life + LOOK * is_good, look + LOOK if is_good else end
        text = f"thief: {span(life)}" + ("" if held else "; signed out")
        return self.verdict([pair for pair in (held, booty) if pair], text)

    def run(self, does: str, numbers: dict[str, int]) -> str:
        match does, numbers:
            case "takeTurns", {"machines": machines, "everyMinutes": every}: return self.take_turns(machines, every)
            case "comeBack", {"after": after, "everyMinutes": every}: return self.come_back(after, every)
            case "repeatLost", {"afterMinutes": after, "processes": count}: return self.repeat_lost(after, count)
            case "refreshAtOnce", {"processes": count}: return self.refresh_at_once(count)
            case "neverKeep", {"everyMinutes": every}: return self.never_keep(every)
            case "steal", {"afterMinutes": after, "goesOn": goes_on}: return self.steal(after, goes_on == 1)
        raise ValueError(f"behaviours.json has {does} with {numbers}, which nothing here does")


def span(minutes: int) -> str:
    if minutes >= 2 * 1440:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
