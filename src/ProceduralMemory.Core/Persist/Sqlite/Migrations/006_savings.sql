-- What turns have cost in which procedures were offered to a model, or replayed: numbers alone. The baselines are what the tasks of the procedures that were replayed cost when they were recorded,
-- as it was known then; null where nothing was.
create table turns (
    id                       text primary key,
    scope                    text not null,
    started_at               text not null,
    duration_us              integer not null,
    model_calls              integer,
    input_tokens             integer,
    output_tokens            integer,
    offered                  integer not null,
    offered_bytes            integer not null,
    replays                  integer not null,
    completed                integer not null,
    baseline_duration_us     real,
    baseline_model_calls     real,
    baseline_input_tokens    real,
    baseline_output_tokens   real
) strict;

create index turns_by_scope on turns (scope, started_at);

update schema_info set version = 6, min_reader = 6;
