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

-- A library that knows only schema 3 would replay what nobody has approved.
update schema_info set version = 4, min_reader = 4;
