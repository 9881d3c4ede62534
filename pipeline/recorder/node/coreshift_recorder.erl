%% Records a few seconds of the node that it is loaded into: window A untraced, B traced, C untraced.
%%
%% Three processes. The recorder does the work and holds everything that the VM takes back by itself when
%% its owner dies (scheduler wall time, the buffer). The buffer is suspended while tracing is on: what the
%% VM sends it lies in its mailbox and costs no scheduling. The watch outlives the recorder: whatever ends
%% it, or the node that asked, the watch switches tracing off and takes these modules out of the node.
-module(coreshift_recorder).
-export([start/2, facts/0, tracer/0, events/0, watch/2, record/2, buffer/0]).

-define(TICK_MS, 5).
-define(RECORD_BYTES, 40).
-define(NO_ARITY, 16#ffff).
-define(ACK_MS, 30000).
-define(PROCESSES_MAX, 20000).
-define(MEMORY_MAX, (512 bsl 20)).

%% The position in this list is the code in a record, from 1. The most frequent come first.
events() ->
    [in, out, send, gc_minor_start, gc_minor_end, gc_major_start, gc_major_end, spawn, spawned, exit,
     out_exited, out_exiting, in_exiting, link, unlink, getting_linked, getting_unlinked, register,
     unregister, send_to_non_existing_process, open, closed, sched_active, sched_inactive].

%% What a reader of the recording has to know about the VM.
facts() ->
    Keys = [scheduler_bind_type, scheduler_bindings, schedulers, schedulers_online, cpu_topology,
            dirty_cpu_schedulers, dirty_io_schedulers, logical_processors, multi_scheduling, eager_check_io,
            emu_flavor, emu_type, os_monotonic_time_source, wordsize],
    [{otp, list_to_binary(erlang:system_info(otp_release))},
     {erts, list_to_binary(erlang:system_info(version))},
     {system_version, list_to_binary(string:trim(erlang:system_info(system_version)))},
     {architecture, list_to_binary(erlang:system_info(system_architecture))},
     {emulator_flags, [{Flag, list_to_binary(Value)} || Flag <- ["ERL_AFLAGS", "ERL_FLAGS", "ERL_ZFLAGS"],
                                                        Value <- [os:getenv(Flag)], is_list(Value)]},
     {root_dir, unicode:characters_to_binary(code:root_dir())},
     {os_pid, list_to_binary(os:getpid())},
     {cmdline, emulator_words()}
     | [{Key, plain(fact(Key))} || Key <- Keys]].

fact(Key) ->
    try erlang:system_info(Key) catch error:badarg -> unknown end.

plain(Value) when is_integer(Value); is_boolean(Value); is_binary(Value) -> Value;
plain(Value) when is_atom(Value) -> atom_to_binary(Value, utf8);
plain(Value) -> unicode:characters_to_binary(io_lib:format("~0tp", [Value])).

%% Only what steers the emulator: a program's own words may hold secrets.
emulator_words() ->
    Own = lists:takewhile(fun(Word) -> Word =/= "--" end, os_words()),
    [unicode:characters_to_binary(Word) || Word <- Own].

os_words() ->
    case file:read_file("/proc/" ++ os:getpid() ++ "/cmdline") of
        {ok, Line} -> [unicode:characters_to_list(Word) || Word <- binary:split(Line, <<0>>, [global])];
        _ -> []
    end.

%% Who traces already, as text; none if nobody does.
tracer() ->
    case erlang:system_profile() of
        undefined -> first_tracer([new_processes, new_ports | processes() ++ erlang:ports()]);
        {Who, _} -> name(Who)
    end.

first_tracer([]) -> none;
first_tracer([Tracee | Rest]) ->
    case catch erlang:trace_info(Tracee, tracer) of
        {tracer, Who} when Who =/= [] -> name(Who);
        _ -> first_tracer(Rest)
    end.

name({Module, _State}) -> plain(Module);
name(Pid) when is_pid(Pid) ->
    case process_info(Pid, registered_name) of
        {registered_name, Name} -> plain({Name, Pid});
        _ -> plain(Pid)
    end;
name(Port) -> plain({erlang:port_info(Port, name), Port}).

%% Begins; `Owner` is told what happens by {coreshift, What} and may be on another node.
start(Owner, Options) ->
    spawn_opt(?MODULE, watch, [Owner, Options], [{priority, max}]).

%% ---- watch ----------------------------------------------------------------------------------

watch(Owner, Options) ->
    case catch register(?MODULE, self()) of
        true ->
            erlang:monitor(process, Owner),
            {Recorder, _} = spawn_opt(?MODULE, record, [Owner, Options#{watch => self()}],
                                      [monitor, {priority, max}]),
            LimitMs = maps:get(limit_ms, Options),
            erlang:send_after(LimitMs, self(), time_limit),
            Reason = wait_for(Recorder),
            clean_up(),
            tell(Owner, {gone, plain(Reason)}),
            unregister(?MODULE),
            unload(coreshift_tracer),
            _ = code:purge(?MODULE),
            _ = code:delete(?MODULE),
            %% A tail call: no frame of this module is left that the purge would have to kill.
            code:purge(?MODULE);
        _ ->
            tell(Owner, busy)
    end.

wait_for(Recorder) ->
    receive
        {'DOWN', _, process, Recorder, Reason} -> Reason;
        {'DOWN', _, process, _Owner, _} -> exit(Recorder, kill), wait_for(Recorder);
        time_limit -> exit(Recorder, kill), wait_for(Recorder);
        tracing_on -> put(tracing, true), wait_for(Recorder);
        tracing_off -> erase(tracing), wait_for(Recorder)
    end.

clean_up() ->
    case erase(tracing) of
        true -> tracing_off();
        _ -> ok
    end,
    case erlang:module_loaded(coreshift_tracer) of
        true -> catch close_pool(50);
        false -> ok
    end.

%% A thread that the VM does not wait for may still be in the tracer: the library stays until it left.
close_pool(0) -> ok;
close_pool(Tries) ->
    case coreshift_tracer:close() of
        ok -> ok;
        _ -> timer:sleep(20), close_pool(Tries - 1)
    end.

unload(Module) ->
    _ = code:purge(Module),
    _ = code:delete(Module),
    _ = code:purge(Module),
    ok.

tracing_off() ->
    erlang:trace(all, false, [all]),
    case erlang:system_profile() of
        undefined -> ok;
        _ -> erlang:system_profile(undefined, [])
    end,
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok after 1000 -> ok end.

%% Never opens a connection: a node that has gone stays gone.
tell(Owner, What) -> erlang:send(Owner, {coreshift, What}, [noconnect]).

%% ---- recorder -------------------------------------------------------------------------------

record(Owner, #{base_ms := BaseMs, traced_ms := TracedMs, mode := Mode} = Options) ->
    erlang:system_flag(scheduler_wall_time, true),
    Buffer = spawn_opt(?MODULE, buffer, [], [link, {message_queue_data, off_heap}]),
    ok = prepare(Mode, Options),
    Never = fun(_) -> no end,
    tell(Owner, {window, <<"A">>, BaseMs}),
    A = window($A, BaseMs, Never),
    First = processes_now(),
    tell(Owner, {window, <<"B">>, TracedMs}),
    T0 = tracing_on(Buffer, Options),
    B = window($B, TracedMs, limit_reached(Buffer, Options)),
    ok = disarm(Mode),
    tracing_off(),
    maps:get(watch, Options) ! tracing_off,
    Last = processes_now(),
    tell(Owner, {window, <<"C">>, BaseMs}),
    C = window($C, BaseMs, Never),
    process_flag(priority, normal),
    erlang:resume_process(Buffer),
    tell(Owner, {reading, <<"events">>}),
    {Used, StoppedNs} = send_records(Mode, Owner),
    Pids = [self(), maps:get(watch, Options), Buffer],
    tell(Owner, {result, #{t0_ns => T0, windows => [W || {W, _} <- [A, B, C]], used => Used,
                           stopped_ns => StoppedNs, recorder => [number(Pid) || Pid <- Pids]}}),
    send_rows(Owner, samples, [Rows || {_, Rows} <- [A, B, C]]),
    send_rows(Owner, processes, [{<<"start">>, First}, {<<"end">>, Last}]),
    send_names(Owner, dictionary(Mode)),
    send_buffer(Owner, Buffer),
    tell(Owner, finished).

prepare(nif, #{max_events := Max}) ->
    Records = max(16, min(4096, Max div 64)),
    coreshift_tracer:open(max(1, Max div Records), Records, events() -- [sched_active, sched_inactive]);
prepare(dbg, _) -> ok.

tracing_on(Buffer, #{mode := Mode, traced_ms := TracedMs, watch := Watch} = Options) ->
    erlang:suspend_process(Buffer),
    Watch ! tracing_on,
    Flags = [running, exiting, procs, ports, running_ports, scheduler_id]
        ++ [send || maps:get(messages, Options)] ++ [garbage_collection || maps:get(gc, Options)],
    erlang:system_profile(Buffer, [scheduler, monotonic_timestamp]),
    case Mode of
        nif ->
            %% A bound of its own, for the case that every process of the recorder is killed.
            coreshift_tracer:arm(now_ns() + (TracedMs + 5000) * 1000000),
            erlang:trace(all, true, [{tracer, coreshift_tracer, []} | Flags]);
        dbg ->
            erlang:trace(all, true, [{tracer, Buffer}, monotonic_timestamp | Flags])
    end,
    now_ns().

disarm(dbg) -> ok;
disarm(nif) ->
    coreshift_tracer:disarm(),
    ok.

limit_reached(Buffer, #{mode := Mode, max_events := Max}) ->
    Memory = erlang:memory(total),
    fun(Tick) ->
        {message_queue_len, Waiting} = process_info(Buffer, message_queue_len),
        IsRecording = Mode =:= dbg orelse element(1, coreshift_tracer:status()),
        if
            not IsRecording; Waiting >= Max -> max_events;
            Tick rem 10 =:= 0, Mode =:= dbg ->
                case erlang:memory(total) - Memory > ?MEMORY_MAX of
                    true -> memory;
                    false -> no
                end;
            true -> no
        end
    end.

%% One window: totals before and after, and a row every few milliseconds.
window(Name, Ms, Limit) ->
    %% The first row before the totals, which every scheduler has to answer for: there are two at least.
    First = sample_row(Name),
    Begin = totals(),
    {Rows, Why} = sample(Name, {now_ns(), Ms * 1000000, Limit}, 0, [First]),
    End = totals(),
    {#{name => <<Name>>, 'begin' => Begin, 'end' => End, ended_by => Why}, Rows}.

sample(Name, {StartNs, LengthNs, Limit} = Bounds, Tick, Rows) ->
    Row = sample_row(Name),
    Elapsed = now_ns() - StartNs,
    case Limit(Tick) of
        _ when Elapsed >= LengthNs -> {[Row | Rows], time};
        no ->
            LeftMs = ceil((LengthNs - Elapsed) / 1000000),
            receive after min(?TICK_MS, LeftMs) -> ok end,
            sample(Name, Bounds, Tick + 1, [Row | Rows]);
        Why -> {[Row | Rows], Why}
    end.

sample_row(Name) ->
    {Reductions, _} = erlang:statistics(reductions),
    {Switches, _} = erlang:statistics(context_switches),
    Lengths = erlang:statistics(run_queue_lengths_all),
    Queues = << <<N:32/little>> || N <- Lengths >>,
    Active = << <<N:32/little>> || N <- erlang:statistics(active_tasks_all) >>,
    <<(now_ns()):64/little, Reductions:64/little, Switches:64/little,
      (erlang:system_info(process_count)):32/little, Name:16/little, (length(Lengths)):16/little,
      Queues/binary, Active/binary>>.

totals() ->
    {Reductions, _} = erlang:statistics(reductions),
    {Switches, _} = erlang:statistics(context_switches),
    {Collections, Words, _} = erlang:statistics(garbage_collection),
    Walls = lists:sort(erlang:statistics(scheduler_wall_time_all)),
    #{t_ns => now_ns(), reductions => Reductions, context_switches => Switches, collections => Collections,
      words_reclaimed => Words, processes => erlang:system_info(process_count),
      wall => [[Id, Active, Total] || {Id, Active, Total} <- Walls]}.

now_ns() -> erlang:monotonic_time(nanosecond).

processes_now() ->
    Items = [registered_name, initial_call, current_function, status, priority, message_queue_len,
             total_heap_size, reductions],
    Listed = lists:sublist(processes(), ?PROCESSES_MAX),
    [{number(Pid), Info} || Pid <- Listed, Pid =/= self(), Info <- [process_info(Pid, Items)],
                            Info =/= undefined].

%% ---- delivery -------------------------------------------------------------------------------

%% Data goes out in pieces that the other side confirms one by one, so that it never piles up.
deliver(Owner, Kind, Data) ->
    tell(Owner, {data, self(), Kind, Data}),
    receive confirmed -> ok after ?ACK_MS -> exit(no_confirmation) end.

send_records(dbg, _) -> {0, 0};
send_records(nif, Owner) ->
    {_, Used, StoppedNs} = coreshift_tracer:status(),
    send_chunks(Owner, 0, Used),
    {Used, StoppedNs}.

send_chunks(_, Used, Used) -> ok;
send_chunks(Owner, At, Used) ->
    deliver(Owner, events, coreshift_tracer:read(At)),
    send_chunks(Owner, At + 1, Used).

dictionary(dbg) -> [];
dictionary(nif) -> coreshift_tracer:names().

send_names(_, []) -> ok;
send_names(Owner, Names) ->
    {Some, Rest} = lists:split(min(5000, length(Names)), Names),
    deliver(Owner, names, [[Word | naming(Term)] || {Word, Term} <- Some]),
    send_names(Owner, Rest).

naming(Atom) when is_atom(Atom) -> [atom_to_binary(Atom, utf8)];
naming(Term) -> number(Term).

%% <0.N.S> as [0, N, S], #Port<0.K> as [1, K, 0].
number(Pid) when is_pid(Pid) ->
    [_, N, S] = string:lexemes(pid_to_list(Pid), "<.>"),
    [0, list_to_integer(N), list_to_integer(S)];
number(Port) when is_port(Port) ->
    ["#Port", _, K] = string:lexemes(erlang:port_to_list(Port), "<.>"),
    [1, list_to_integer(K), 0].

send_rows(_, _, []) -> ok;
send_rows(Owner, samples, [Rows | Rest]) ->
    deliver(Owner, samples, lists:reverse(Rows)),
    send_rows(Owner, samples, Rest);
send_rows(Owner, processes, [{_, []} | Rest]) ->
    send_rows(Owner, processes, Rest);
send_rows(Owner, processes, [{When, Infos} | Rest]) ->
    {Some, More} = lists:split(min(1000, length(Infos)), Infos),
    deliver(Owner, processes, [[When, Number | [item(I) || I <- Info]] || {Number, Info} <- Some]),
    send_rows(Owner, processes, [{When, More} | Rest]).

item({registered_name, []}) -> null;
item({_, {M, F, A}}) -> unicode:characters_to_binary(io_lib:format("~ts:~ts/~w", [M, F, A]));
item({_, Value}) -> plain(Value).

%% ---- buffer ---------------------------------------------------------------------------------

send_buffer(Owner, Buffer) ->
    Buffer ! {drain, self()},
    forward(Owner, Buffer).

forward(Owner, Buffer) ->
    receive
        {records, Records} ->
            deliver(Owner, events, Records),
            Buffer ! more,
            forward(Owner, Buffer);
        {names, Names} ->
            send_names(Owner, Names)
    end.

%% Everything that the VM sent while this process was suspended lies before the request to drain.
buffer() ->
    buffer([], 0, #{}).

buffer(Records, 4096, Ids) ->
    buffer_out(Records, Ids);
buffer(Records, Count, Ids) ->
    receive
        {trace_ts, Who, Tag, Data, Scheduler, Ns} ->
            add(Tag, Who, Data, none, Scheduler, Ns, {Records, Count, Ids});
        {trace_ts, Who, Tag, Data, Extra, Scheduler, Ns} ->
            add(Tag, Who, Data, Extra, Scheduler, Ns, {Records, Count, Ids});
        {profile, scheduler, Scheduler, State, _, Ns} ->
            Tag = case State of active -> sched_active; inactive -> sched_inactive end,
            add(Tag, none, none, none, Scheduler, Ns, {Records, Count, Ids});
        {drain, To} when Records =:= [] ->
            To ! {names, [{Id, Term} || {Term, Id} <- maps:to_list(Ids)]};
        {drain, To} ->
            self() ! {drain, To},
            buffer_out(Records, Ids);
        _ ->
            buffer(Records, Count, Ids)
    end.

%% The recorder is the one that this process is linked to.
buffer_out(Records, Ids) ->
    {links, [Recorder]} = process_info(self(), links),
    Recorder ! {records, iolist_to_binary(lists:reverse(Records))},
    receive more -> buffer([], 0, Ids) end.

add(Tag, Who, Data, Extra, Scheduler, Ns, {Records, Count, Ids0}) ->
    case code_of(Tag) of
        0 -> buffer(Records, Count, Ids0);
        Code ->
            {WhoId, Ids1} = id(Who, Ids0),
            {Peer, More, Arity, Ids} = data(Tag, Data, Extra, Ids1),
            Record = <<Ns:64/little-signed, WhoId:64/little, Peer:64/little, More:64/little,
                       Arity:16/little, Scheduler:16/little, Code, 0:24>>,
            buffer([Record | Records], Count + 1, Ids)
    end.

data(send, _, To, Ids) -> peer(To, Ids);
data(send_to_non_existing_process, _, To, Ids) -> peer(To, Ids);
data(Tag, Child, {M, F, Args}, Ids0) when Tag =:= spawn; Tag =:= spawned ->
    {Peer, Ids1} = id(Child, Ids0),
    {_, Mfa, Arity, Ids} = data(in, {M, F, length(Args)}, none, Ids1),
    {Peer, Mfa, Arity, Ids};
data(_, {M, F, A}, _, Ids0) when is_atom(M), is_atom(F), is_integer(A) ->
    {MId, Ids1} = id(M, Ids0),
    {FId, Ids} = id(F, Ids1),
    {0, MId bor (FId bsl 32), A, Ids};
data(_, [{_, _} | _] = Sizes, _, Ids) ->
    {proplists:get_value(heap_size, Sizes, 0), proplists:get_value(old_heap_size, Sizes, 0), ?NO_ARITY, Ids};
data(_, Atom, _, Ids0) when is_atom(Atom), Atom =/= none ->
    {Id, Ids} = id(Atom, Ids0),
    {0, Id, ?NO_ARITY, Ids};
data(_, Other, _, Ids) -> peer(Other, Ids).

peer(Term, Ids0) ->
    {Id, Ids} = case is_atom(Term) of true -> {0, Ids0}; false -> id(Term, Ids0) end,
    {Id, 0, ?NO_ARITY, Ids}.

%% Ids of the local processes, ports and atoms that records mention; 0 for anything else.
id(Term, Ids) when is_pid(Term), node(Term) =:= node(); is_port(Term), node(Term) =:= node();
                   is_atom(Term), Term =/= none ->
    case Ids of
        #{Term := Id} -> {Id, Ids};
        _ -> {map_size(Ids) + 1, Ids#{Term => map_size(Ids) + 1}}
    end;
id(_, Ids) -> {0, Ids}.

code_of(Tag) -> code_of(Tag, events(), 1).

code_of(Tag, [Tag | _], Code) -> Code;
code_of(Tag, [_ | Rest], Code) -> code_of(Tag, Rest, Code + 1);
code_of(_, [], _) -> 0.
