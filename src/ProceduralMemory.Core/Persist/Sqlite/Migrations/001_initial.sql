-- One row: what this file is, and the oldest library that may still use it.
-- version     the number of the last migration that ran.
-- min_reader  the lowest schema number a library must know to read and write this file; an additive migration leaves it.
create table schema_info (
    id          integer primary key check (id = 1),
    version     integer not null,
    min_reader  integer not null
) strict;

insert into schema_info (id, version, min_reader) values (1, 1, 1);

-- Times are ISO 8601 text in UTC, durations are whole microseconds, ids are lower-case GUIDs (version 7), booleans are 0 or 1.
create table procedures (
    id              text not null primary key,
    scope           text not null,
    name            text not null collate nocase,
    description     text not null,
    tags            text not null check (json_valid(tags)),
    notes           text,
    origin          text not null,
    active_version  integer,
    retired         integer not null default 0 check (retired in (0, 1)),
    merged_into     text references procedures (id),
    created_at      text not null,
    updated_at      text not null,
    unique (scope, name)
) strict;

-- Immutable but for its state: the document holds inputs and steps, columns hold what is counted or searched.
create table procedure_versions (
    procedure_id      text not null references procedures (id),
    version           integer not null check (version > 0),
    parent            integer,
    reason            text not null,
    state             text not null,
    origin            text not null,
    request           text,
    trace_id          text references traces (id),
    document          text not null check (json_valid(document)),
    created_at        text not null,
    executions        integer not null default 0,
    successes         integer not null default 0,
    failures          integer not null default 0,
    completed         integer not null default 0,
    total_duration_us integer not null default 0,
    last_duration_us  integer,
    last_executed_at  text,
    primary key (procedure_id, version),
    check (executions >= successes + failures and executions >= completed)
) strict, without rowid;

create table step_statistics (
    procedure_id      text not null,
    version           integer not null,
    step_id           text not null,
    runs              integer not null default 0,
    failures          integer not null default 0,
    total_duration_us integer not null default 0,
    last_duration_us  integer,
    last_run_at       text,
    primary key (procedure_id, version, step_id),
    foreign key (procedure_id, version) references procedure_versions (procedure_id, version)
) strict, without rowid;

-- A recording while it is written, a trace for ever after.
create table traces (
    id            text not null primary key,
    scope         text not null,
    name          text not null,
    description   text not null,
    request       text,
    tags          text not null check (json_valid(tags)),
    notes         text,
    status        text not null,
    started_at    text not null,
    ended_at      text,
    model_calls   integer,
    input_tokens  integer,
    output_tokens integer
) strict;

create index traces_by_status on traces (scope, status, started_at);

create table trace_steps (
    trace_id    text not null references traces (id),
    ordinal     integer not null,
    kind        text not null,
    action      text not null,
    arguments   text not null check (json_valid(arguments)),
    result      text check (result is null or json_valid(result)),
    omitted     text,
    status      text not null,
    error_type  text,
    error       text,
    outcome     text,
    notes       text,
    call_group  text,
    call_index  integer not null default 0,
    started_at  text not null,
    duration_us integer not null,
    primary key (trace_id, ordinal)
) strict, without rowid;

create table executions (
    id              text not null primary key,
    scope           text not null,
    procedure_id    text not null references procedures (id),
    version         integer not null,
    parent_id       text references executions (id),
    parent_step     text,
    outcome         text not null,
    request         text,
    inputs          text not null check (json_valid(inputs)),
    message         text,
    started_at      text not null,
    duration_us     integer
) strict;

create index executions_by_procedure on executions (procedure_id, started_at);
create index executions_by_scope on executions (scope, started_at);

create table execution_steps (
    execution_id text not null references executions (id),
    ordinal      integer not null,
    step_id      text not null,
    action       text not null,
    status       text not null,
    arguments    text check (arguments is null or json_valid(arguments)),
    result       text check (result is null or json_valid(result)),
    omitted      text,
    outcome_match text,
    error_type   text,
    error        text,
    started_at   text,
    duration_us  integer,
    primary key (execution_id, ordinal)
) strict, without rowid;
