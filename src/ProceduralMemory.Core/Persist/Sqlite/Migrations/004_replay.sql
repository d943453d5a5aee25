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
