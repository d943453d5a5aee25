-- ---- Executions that can be resumed.
-- root_id      the outermost execution that this one is part of: whoever may write to that one may write to all of its parts.
-- attempt      how often the outermost execution was begun. Who resumes it raises the number in one compare-and-set; a writer with an earlier one is turned away.
-- owner        the process that runs it, and lease_until the time up to which that has said so.
-- settings     what was asked of the replay beside the inputs, as JSON; null for executions of earlier versions, which cannot be resumed.
-- counted      whether its outcome is in the statistics: an execution that failed and was resumed counts once.
alter table executions add column parent_index integer not null default 0;
alter table executions add column root_id text references executions (id);
alter table executions add column attempt integer not null default 1;
alter table executions add column owner text;
alter table executions add column lease_until text;
alter table executions add column settings text check (settings is null or json_valid(settings));
alter table executions add column counted integer not null default 0 check (counted in (0, 1));

with recursive tree (id, root_id) as (
    select id, id from executions where parent_id is null
    union all
    select e.id, t.root_id from executions e join tree t on e.parent_id = t.id
)
update executions set root_id = (select root_id from tree where tree.id = executions.id), counted = outcome in ('completed', 'failed');

create index executions_by_root on executions (root_id) where parent_id is not null;
create index executions_running on executions (scope, started_at) where outcome = 'running' and parent_id is null;

-- attempts counts the calls of the step, each written down before it is made.
alter table execution_steps add column effect text not null default 'unknown';
alter table execution_steps add column attempts integer not null default 0;
alter table execution_steps add column idempotency_key text;
alter table execution_steps add column repaired integer not null default 0 check (repaired in (0, 1));
alter table execution_steps add column repair_trace_id text references traces (id);

-- The calls by which an agent did the failed step of an execution.
alter table traces add column repair_of text references executions (id);

-- ---- Signatures: what functions declared of their parameters when calls of them were recorded. ----

-- A JSON Schema object, redacted, once for each function of a trace. It is written in the transaction of the step that told it.
create table trace_functions (
    trace_id   text not null references traces (id),
    action     text not null collate nocase,
    parameters text not null check (json_valid(parameters)),
    primary key (trace_id, action)
) strict, without rowid;

-- ---- End of signatures. ----

-- Documents of format 4 hold signatures, and versions are made for reasons that a library that knows only schema 3 does not know.
update schema_info set version = 4, min_reader = 4;
