%% Tracer module whose functions are all in coreshift_tracer.c (see erl_tracer).
-module(coreshift_tracer).
-export([load/1, enabled/3, trace/5, open/3, arm/1, disarm/0, status/0, read/1, names/0, close/0]).

load(Path) -> erlang:load_nif(Path, 0).

%% Without the library nothing is traced: the VM takes the flags away itself.
enabled(_Tag, _State, _Tracee) -> remove.
trace(_Tag, _State, _Tracee, _Data, _Options) -> ok.

open(_Chunks, _Records, _Events) -> erlang:nif_error(not_loaded).
arm(_DeadlineNs) -> erlang:nif_error(not_loaded).
disarm() -> erlang:nif_error(not_loaded).
status() -> erlang:nif_error(not_loaded).
read(_Chunk) -> erlang:nif_error(not_loaded).
names() -> erlang:nif_error(not_loaded).
close() -> erlang:nif_error(not_loaded).
