-- Further wordings of what a procedure does: the requests that led to replays that succeeded. words is what tells wordings apart: their stems without values.
create table procedure_wordings (
    procedure_id text not null references procedures (id),
    words        text not null,
    request      text not null,
    uses         integer not null default 1,
    last_used_at text not null,
    primary key (procedure_id, words)
) strict, without rowid;

-- Scopes by a short number. Each word of the index begins with it, so that looking a word up costs what its own scope holds, and counts nothing of others.
create table search_scopes (
    id        integer primary key,
    scope     text not null unique,
    documents integer not null default 0
) strict;

-- What is searched of each procedure, as stems; see SearchDocument. change rises with every change of the text that vectors are made from.
create table search_documents (
    id              integer primary key,
    procedure_id    text not null unique references procedures (id),
    scope_id        integer not null references search_scopes (id),
    name            text not null,
    description     text not null,
    tags            text not null,
    requests        text not null,
    actions         text not null,
    inputs          text not null,
    action_names    text not null check (json_valid(action_names)),
    functions       text not null check (json_valid(functions)),
    required_inputs text not null check (json_valid(required_inputs)),
    vector_text     text not null,
    vector_actions  text not null,
    change          integer not null
) strict;

create index search_documents_by_change on search_documents (scope_id, change);

-- The words are stems already, so the tokenizer only parts them; ~ marks values and is no letter to it.
create virtual table search_index using fts5 (
    name, description, tags, requests, actions, inputs,
    content = 'search_documents', content_rowid = 'id', tokenize = "ascii tokenchars '_'"
);

create virtual table search_words using fts5vocab ('search_index', 'row');

-- What changed of the words: filled by triggers, so that no writer can forget it, and emptied by the library in the same transaction.
create table search_queue (
    procedure_id text not null primary key references procedures (id)
) strict, without rowid;

create trigger search_queue_procedure_inserted after insert on procedures begin
    insert or ignore into search_queue (procedure_id) values (new.id);
end;

create trigger search_queue_procedure_updated after update of name, description, tags, active_version, retired on procedures begin
    insert or ignore into search_queue (procedure_id) values (new.id);
end;

create trigger search_queue_version_inserted after insert on procedure_versions begin
    insert or ignore into search_queue (procedure_id) values (new.procedure_id);
end;

create trigger search_queue_wording_inserted after insert on procedure_wordings begin
    insert or ignore into search_queue (procedure_id) values (new.procedure_id);
end;

create trigger search_queue_wording_deleted after delete on procedure_wordings begin
    insert or ignore into search_queue (procedure_id) values (old.procedure_id);
end;

insert into search_queue (procedure_id) select id from procedures;

-- Vectors of length 1, little-endian floats. Those of one model are never compared with those of another. text_change is the change of the text it was made from.
-- A table with rowids: rows without would put all but the first of these numbers on a page of its own.
create table procedure_vectors (
    id           integer primary key,
    procedure_id text not null references procedures (id),
    model        text not null,
    scope_id     integer not null,
    dimensions   integer not null,
    vector       blob not null,
    text_change  integer not null,
    change       integer not null,
    unique (procedure_id, model)
) strict;

create index procedure_vectors_by_change on procedure_vectors (scope_id, model, change);

-- One row: the number of the last change of texts and vectors, and of the analysis that made the words.
create table search_state (
    id       integer primary key check (id = 1),
    change   integer not null,
    analysis integer not null
) strict;

insert into search_state (id, change, analysis) values (1, 0, 1);

-- Documents of format 3 choose members of objects, which a library that knows only schema 2 would take for malformed.
update schema_info set version = 3, min_reader = 3;
