%% The near end of a recording: a hidden node that listens nowhere, started for one recording.
%%
%% Commands come as Erlang terms on stdin, so that the cookie is in no process list; the end of stdin ends
%% this node, and with it the recording. What happens is told as lines of JSON on stdout, each after "@".
-module(coreshift_helper).
-export([main/1]).

-define(RELEASE_MIN, 25).
-define(CALL_MS, 20000).

main(Sources) ->
    Main = self(),
    spawn_link(fun() -> read(Main) end),
    try commands(#{sources => Sources}) of
        ok -> ok
    catch
        throw:{refused, Kind, Text} -> say([{error, Kind}, {text, text(Text)}]);
        Class:Reason:Stack ->
            say([{error, internal}, {text, text(io_lib:format("~p ~0tp ~0tp", [Class, Reason, Stack]))}])
    end,
    erlang:halt(0).

read(Main) ->
    case io:read('') of
        {ok, Command} -> Main ! Command, read(Main);
        _ -> erlang:halt(0)
    end.

commands(State) ->
    receive
        {connect, Node, Cookie, WaitMs} ->
            Target = binary_to_atom(Node, utf8),
            connect(Target, Cookie, WaitMs),
            is_free(Target),
            load(Target, coreshift_recorder, State),
            Facts = call(Target, coreshift_recorder, facts, []),
            unload(Target, coreshift_recorder),
            say([{connected, true} | Facts]),
            commands(State#{target => Target});
        {library, Name, Path, Digest} ->
            say([{library, library(maps:get(target, State), {Name, Path, Digest}, State)}]),
            commands(State#{library => Name});
        {record, Options} ->
            record(maps:get(target, State), Options, State),
            commands(State);
        {stop} ->
            %% Quieter than a signal, of which a program's logger tells.
            call(maps:get(target, State), init, stop, []),
            say([{stopped, true}])
    end.

refuse(Kind, Text) -> throw({refused, Kind, Text}).

call(Target, Module, Function, Arguments) ->
    try erpc:call(Target, Module, Function, Arguments, ?CALL_MS)
    catch
        error:{erpc, noconnection} -> refuse(gone, "the node ended or the connection broke");
        error:{erpc, timeout} -> refuse(gone, "the node did not answer in time");
        Class:Reason -> refuse(internal, io_lib:format("~p:~p: ~p ~0tp", [Module, Function, Class, Reason]))
    end.

%% ---- connect --------------------------------------------------------------------------------

connect(Target, Cookie, WaitMs) ->
    [_, Host] = string:lexemes(atom_to_list(Target), "@"),
    Domain = case lists:member($., Host) of true -> longnames; false -> shortnames end,
    Name = list_to_atom("coreshift_" ++ os:getpid() ++ "@" ++ Host),
    case net_kernel:start(Name, #{name_domain => Domain, dist_listen => false, hidden => true}) of
        {ok, _} -> ok;
        {error, Why} -> refuse(internal, io_lib:format("distribution does not start: ~0tp", [Why]))
    end,
    Cookie =:= none orelse erlang:set_cookie(Target, binary_to_atom(Cookie, utf8)),
    try_connect(Target, Host, erlang:monotonic_time(millisecond) + WaitMs),
    Release = call(Target, erlang, system_info, [otp_release]),
    case list_to_integer(Release) >= ?RELEASE_MIN of
        true -> ok;
        false -> refuse(too_old, Release)
    end.

try_connect(Target, Host, UntilMs) ->
    case net_kernel:hidden_connect_node(Target) of
        true -> ok;
        _ ->
            case erlang:monotonic_time(millisecond) < UntilMs of
                true -> timer:sleep(100), try_connect(Target, Host, UntilMs);
                false -> explain(Target, Host)
            end
    end.

explain(Target, Host) ->
    [Name, _] = string:lexemes(atom_to_list(Target), "@"),
    case inet:getaddr(Host, inet) of
        {error, _} -> refuse(no_host, Host);
        {ok, Address} -> explain_port(Name, Address)
    end.

explain_port(Name, Address) ->
    case erl_epmd:port_please(Name, Address, 5000) of
        {port, Port, _} ->
            case gen_tcp:connect(Address, Port, [], 3000) of
                {ok, Socket} -> gen_tcp:close(Socket), refuse(not_allowed, "");
                {error, Why} -> refuse(no_answer, io_lib:format("port ~p: ~p", [Port, Why]))
            end;
        _ ->
            case erl_epmd:names(Address) of
                {ok, _} -> refuse(no_node, "");
                {error, _} -> refuse(no_epmd, "")
            end
    end.

%% ---- code -----------------------------------------------------------------------------------

is_free(Target) ->
    case call(Target, erlang, whereis, [coreshift_recorder]) of
        undefined -> ok;
        _ -> refuse(busy, "")
    end.

%% Modules are in the node only while they are used: nobody would take them out if this node were killed.
load(Target, Module, State) ->
    unload(Target, Module),
    case call(Target, code, load_binary, [Module, atom_to_list(Module) ++ ".erl", code(Target, Module, State)]) of
        {module, Module} -> ok;
        {error, Why} -> refuse(no_load, io_lib:format("~p", [Why]))
    end.

code(Target, Module, #{sources := Sources}) ->
    case get(Module) of
        undefined ->
            Release = list_to_atom("r" ++ call(Target, erlang, system_info, [otp_release])),
            {ok, Module, Code} = compile:file(filename:join(Sources, atom_to_list(Module)), [binary, Release]),
            put(Module, Code),
            Code;
        Code -> Code
    end.

unload(Target, Module) ->
    [call(Target, code, Function, [Module]) || Function <- [purge, delete, purge]],
    ok.

%% Whether the node can load the library: it must see the very file, and accept it.
library(Target, {Name, Path, Digest}, State) ->
    case call(Target, file, read_file, [Path]) of
        {ok, Content} ->
            case erlang:md5(Content) =:= Digest of
                true -> try_library(Target, Name, State);
                false -> <<"the node sees another file under this name">>
            end;
        {error, Why} -> text(io_lib:format("the node cannot read ~ts: ~p", [Path, Why]))
    end.

try_library(Target, Name, State) ->
    Result = load_library(Target, Name, State),
    unload(Target, coreshift_tracer),
    Result.

load_library(Target, Name, State) ->
    load(Target, coreshift_tracer, State),
    case call(Target, coreshift_tracer, load, [unicode:characters_to_list(Name)]) of
        ok -> <<"ok">>;
        {error, {_, Why}} -> text(Why)
    end.

%% ---- record ---------------------------------------------------------------------------------

record(Target, Options, State) ->
    erlang:monitor_node(Target, true),
    is_free(Target),
    load(Target, coreshift_recorder, State),
    case call(Target, coreshift_recorder, tracer, []) of
        none -> ok;
        Who -> unload(Target, coreshift_recorder), refuse(traced, Who)
    end,
    case Options of
        #{mode := nif} -> <<"ok">> = load_library(Target, maps:get(library, State), State);
        #{mode := dbg} -> ok
    end,
    Files = maps:map(fun(_, Path) -> {ok, File} = file:open(Path, [write, raw, delayed_write]), File end,
                     maps:get(files, Options)),
    Events = call(Target, coreshift_recorder, events, []),
    say([{event_names, [atom_to_binary(Event, utf8) || Event <- Events]}]),
    Watch = call(Target, coreshift_recorder, start, [self(), maps:remove(files, Options)]),
    erlang:monitor(process, Watch),
    follow(Target, Files, none, State).

follow(Target, Files, Result, State) ->
    receive
        {nodedown, Target} -> refuse(gone, "the node ended, or the connection to it broke");
        {'DOWN', _, process, _, noconnection} -> refuse(gone, "the node ended, or the connection to it broke");
        {'DOWN', _, process, _, Reason} ->
            %% The watch itself was killed: what it would have done has to be done from here.
            sweep(Target),
            refuse(failed, io_lib:format("its watch ended: ~0tp", [Reason]));
        {coreshift, busy} -> refuse(busy, "");
        {coreshift, {window, Name, Ms}} ->
            say([{window, Name}, {ms, Ms}]),
            follow(Target, Files, Result, State);
        {coreshift, {reading, _}} ->
            say([{reading, true}]),
            follow(Target, Files, Result, State);
        {coreshift, {data, From, Kind, Data}} ->
            ok = file:write(maps:get(Kind, Files), lines(Kind, Data)),
            From ! confirmed,
            follow(Target, Files, Result, State);
        {coreshift, {result, Found}} -> follow(Target, Files, Found, State);
        {coreshift, finished} -> follow(Target, Files, Result#{finished => true}, State);
        {coreshift, {gone, Reason}} ->
            Closed = [file:close(File) || File <- maps:values(Files)],
            is_map(Result) andalso maps:is_key(finished, Result) orelse refuse(failed, Reason),
            lists:usort(Closed) =:= [ok] orelse refuse(disk, io_lib:format("~p", [Closed])),
            say([{done, true}, {left, left(Target, 20)}, {result, maps:to_list(Result)}])
    end.

sweep(Target) ->
    call(Target, erlang, trace, [all, false, [all]]),
    call(Target, erlang, system_profile, [undefined, []]),
    %% Purging ends the processes that still run the code, so that nobody is in the tracer after it.
    unload(Target, coreshift_recorder),
    unload(Target, coreshift_tracer).

%% What is still in the node: it takes its last modules out just after it said that it is gone.
left(Target, Tries) ->
    Modules = [M || M <- [coreshift_recorder, coreshift_tracer], call(Target, erlang, module_loaded, [M])],
    case Modules of
        [] -> [];
        _ when Tries > 0 -> timer:sleep(50), left(Target, Tries - 1);
        _ -> [atom_to_binary(M, utf8) || M <- Modules]
    end.

lines(events, Binary) -> Binary;
lines(samples, Rows) -> Rows;
lines(_, Rows) -> [[json(Row), $\n] || Row <- Rows].

%% ---- JSON -----------------------------------------------------------------------------------

say(Pairs) -> io:put_chars([$@, json(Pairs), $\n]).

text(Text) ->
    case unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> Binary;
        _ -> text(io_lib:format("~0p", [Text]))
    end.

json([{_, _} | _] = Pairs) ->
    [${, lists:join($,, [[json(text(io_lib:format("~ts", [K]))), $:, json(V)] || {K, V} <- Pairs]), $}];
json(Map) when is_map(Map) -> case maps:to_list(Map) of [] -> "{}"; Pairs -> json(Pairs) end;
json(List) when is_list(List) -> [$[, lists:join($,, [json(Item) || Item <- List]), $]];
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Word) when Word =:= true; Word =:= false; Word =:= null -> atom_to_list(Word);
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom, utf8));
json(Text) when is_binary(Text) -> [$", << <<(escape(C))/binary>> || C <- codepoints(Text) >>, $"].

codepoints(Text) ->
    case unicode:characters_to_list(Text, utf8) of
        List when is_list(List) -> List;
        _ -> binary_to_list(Text)
    end.

%% Plain ASCII, whatever the terminal's encoding.
escape(C) when C =:= $"; C =:= $\\ -> <<$\\, C>>;
escape(C) when C >= 32, C < 127 -> <<C>>;
escape(C) when C < 16#10000 -> list_to_binary(io_lib:format("\\u~4.16.0b", [C]));
escape(C) ->
    <<High:16, Low:16>> = <<(16#d800 + ((C - 16#10000) bsr 10)):16, (16#dc00 + ((C - 16#10000) band 16#3ff)):16>>,
    list_to_binary(io_lib:format("\\u~4.16.0b\\u~4.16.0b", [High, Low])).
