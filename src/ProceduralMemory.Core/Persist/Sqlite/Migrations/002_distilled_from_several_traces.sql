-- The inputs that the caller of a recording knew by name: a JSON object, redacted.
alter table traces add column inputs text not null default '{}' check (json_valid(inputs));

-- What the function does to the world, as its host declared it when the call was recorded.
alter table trace_steps add column effect text not null default 'unknown';

-- The traces that a version was distilled from. procedure_versions.trace_id is the one whose recording made the version.
create table version_traces (
    procedure_id text not null,
    version      integer not null,
    trace_id     text not null references traces (id),
    primary key (procedure_id, version, trace_id),
    foreign key (procedure_id, version) references procedure_versions (procedure_id, version)
) strict, without rowid;

create index version_traces_by_trace on version_traces (trace_id);

insert into version_traces (procedure_id, version, trace_id)
select procedure_id, version, trace_id from procedure_versions where trace_id is not null;

-- A library that knows only schema 1 would take the expressions and steps of later documents for malformed.
update schema_info set version = 2, min_reader = 2;
