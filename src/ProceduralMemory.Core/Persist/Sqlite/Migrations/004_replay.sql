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
-- ---- Approvals ----

-- Decisions on versions of procedures, and open questions for them. Rows are added and never changed: the last of a scope, procedure and version stands.
create table version_approvals (
    id           integer primary key,
    scope        text not null,
    procedure_id text not null,
    version      integer not null,
    state        text not null check (state in ('pending', 'approved', 'rejected', 'revoked')),
    decided_by   text check ((decided_by is null) = (state = 'pending')),
    reason       text,
    at           text not null,
    foreign key (procedure_id, version) references procedure_versions (procedure_id, version)
) strict;

create index version_approvals_by_version on version_approvals (procedure_id, version, scope);

-- Decisions on single calls of executions, and open questions for them. arguments are as the log has them; arguments_hash is the SHA-256 of their one spelling.
create table call_approvals (
    id             text not null primary key,
    scope          text not null,
    execution_id   text not null references executions (id),
    step_id        text not null,
    action         text not null,
    effect         text not null,
    arguments      text not null check (json_valid(arguments)),
    arguments_hash text not null,
    state          text not null check (state in ('pending', 'approved', 'rejected', 'used', 'superseded')),
    requested_at   text not null,
    decided_by     text check (decided_by is not null or state in ('pending', 'superseded')),
    reason         text,
    decided_at     text,
    expires_at     text,
    used_at        text
) strict;

create index call_approvals_by_step on call_approvals (execution_id, step_id, arguments_hash);
create index call_approvals_by_state on call_approvals (scope, state, requested_at);

-- ---- end of approvals ----

-- A library that knows only schema 3 would replay what nobody has approved, and take documents of format 4 for malformed.
update schema_info set version = 4, min_reader = 4;
