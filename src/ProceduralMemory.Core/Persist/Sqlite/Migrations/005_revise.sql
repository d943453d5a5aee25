-- ---- Evidence ----
-- durations is a sketch of how the durations are spread: a JSON object of bucket to count, see DurationSketch. It adds up, and knows no order.
alter table procedure_versions add column last_success_at text;
alter table procedure_versions add column last_failure_at text;
alter table procedure_versions add column durations text not null default '{}' check (json_valid(durations));

-- unknown is of the runs, as failures are; skipped and repairs are not: a step that was left out, or done by an agent in place of its own call, did not run.
-- failure_types is what it failed of, a JSON object of error class to count.
alter table step_statistics add column unknown integer not null default 0;
alter table step_statistics add column skipped integer not null default 0;
alter table step_statistics add column repairs integer not null default 0;
alter table step_statistics add column last_success_at text;
alter table step_statistics add column last_failure_at text;
alter table step_statistics add column failure_types text not null default '{}' check (json_valid(failure_types));
alter table step_statistics add column durations text not null default '{}' check (json_valid(durations));

-- What an execution says of its version; null where it does not count. It takes the place of counted. Of earlier executions it is known as far as their steps tell.
alter table executions add column verdict text;
update executions
set verdict = case
    when outcome = 'failed' or outcome <> 'completed' then 'failure'
    when exists (select 1 from execution_steps s where s.execution_id = executions.id and s.outcome_match = 'cannotTell') then 'unknown'
    else 'success' end
where counted = 1;
alter table executions drop column counted;
create index executions_by_verdict on executions (procedure_id, version, started_at) where verdict is not null;

-- ---- How versions compete ----
-- pinned keeps the active version whatever the evidence says. A procedure in quarantine is neither found nor replayed until it is let out.
alter table procedures add column pinned integer not null default 0 check (pinned in (0, 1));
alter table procedures add column quarantined_at text;
alter table procedures add column quarantine_reason text;

-- The pass reads the procedures of a scope a part at a time, in this order: without the index each part would sort all of them.
create index procedures_by_scope on procedures (scope, id);

-- What was decided about a procedure and why: rows are added and never changed. evidence holds counts and ids, never values.
create table revisions (
    id           integer primary key,
    procedure_id text not null references procedures (id),
    version      integer,
    kind         text not null,
    reason       text not null,
    evidence     text not null default '{}' check (json_valid(evidence)),
    decided_by   text,
    at           text not null
) strict;

create index revisions_by_procedure on revisions (procedure_id, id);

-- Skills that a person erased and that are not learned again: the functions that they called, a JSON list of names, and no values.
create table tombstones (
    id      text primary key,
    scope   text not null,
    actions text not null check (json_valid(actions)),
    at      text not null
) strict;

create index tombstones_by_scope on tombstones (scope);

create index procedures_by_merge on procedures (merged_into) where merged_into is not null;

-- Merges that can be taken back: the ids of what was merged, and how the procedure that was kept stood before, its labels and its wordings as JSON.
create table merges (
    id            integer primary key,
    kept_id       text not null references procedures (id),
    merged        text not null check (json_valid(merged)),
    kept_tags     text not null check (json_valid(kept_tags)),
    kept_wordings text not null check (json_valid(kept_wordings)),
    at            text not null
) strict;

create index merges_by_kept on merges (kept_id, id);

-- A library that knows only schema 4 would replay what is in quarantine, and take a candidate for malformed.
update schema_info set version = 5, min_reader = 5;

-- What was done after an execution stopped is looked for when it is resumed.
create index traces_by_repair on traces (repair_of) where repair_of is not null;
