"""What a context switch of the BEAM costs, where `erl` is installed."""

import os
import shutil
import subprocess

from pipeline.calibration.measured import Measured, missing, spread_of

ROUNDS = 15
YIELDS = 100_000
SOURCE = """
-module(coreshift_switch).
-export([main/0]).
main() -> [round() || _ <- lists:seq(1, %ROUNDS%)].
round() ->
    Me = self(),
    Pids = [spawn(fun() -> receive go -> ok end, loop(%YIELDS%), Me ! {done, self()} end) || _ <- [1, 2]],
    Start = erlang:monotonic_time(nanosecond),
    [P ! go || P <- Pids],
    [receive {done, P} -> ok end || P <- Pids],
    Stop = erlang:monotonic_time(nanosecond),
    io:format("~w~n", [Stop - Start]).
loop(0) -> ok;
loop(N) -> erlang:yield(), loop(N - 1).
"""
# Compiled in memory: no file is written, and the loop runs as native code, not in the shell's interpreter.
LOADER = """
Forms = fun F(Text, Line, Acc) ->
    case erl_scan:tokens([], Text, Line) of
        {done, {ok, Tokens, Next}, Rest} ->
            {ok, Form} = erl_parse:parse_form(Tokens), F(Rest, Next, [Form | Acc]);
        _ -> lists:reverse(Acc)
    end
end,
{ok, Module, Binary} = compile:forms(Forms(os:getenv("CORESHIFT_SOURCE"), 1, [])),
{module, Module} = code:load_binary(Module, "memory", Binary),
Module:main(), halt(0).
"""


def measure_switch(seconds: float, program: str | None = None) -> Measured:
    """Time of `erlang:yield` between two processes of one scheduler: one process out, the other in."""
    program = program or shutil.which("erl")
    if program is None:
        return missing("dispatch_ns", "ns", "erl is not installed")
    source = SOURCE.replace("%ROUNDS%", str(ROUNDS)).replace("%YIELDS%", str(YIELDS))
    command = [program, "+S", "1:1", "-noshell", "-noinput", "-boot", "start_clean", "-eval", LOADER]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            timeout=seconds,
            env=_environment() | {"CORESHIFT_SOURCE": source},
        )
    except subprocess.TimeoutExpired:
        return missing("dispatch_ns", "ns", f"erl did not answer within {seconds:g} s")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = " ".join(str(error).split())[:80]
        return missing("dispatch_ns", "ns", f"erl failed: {reason}")
    numbers = [int(word) for word in done.stdout.split() if word.isdigit()]
    samples = [number / (2 * YIELDS) for number in numbers[1:]]
    return spread_of("dispatch_ns", samples, "ns", "erlang:yield between two processes of one scheduler")


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("ERL_")}
