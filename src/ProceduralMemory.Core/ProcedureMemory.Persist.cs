using System.Globalization;
using System.Text.Json;
using ProceduralMemory.Capture;
using ProceduralMemory.Persist;
using ProceduralMemory.Revise;
using static System.FormattableString;

namespace ProceduralMemory;

public sealed partial class ProcedureMemory
{
    /// <summary>Stores a procedure that was not recorded.</summary>
    /// <param name="definition">The procedure.</param>
    /// <param name="asNewVersion">Whether a procedure of that name gets a new active version; otherwise a name in use is refused.</param>
    /// <param name="origin">Who wrote it.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The procedure as stored.</returns>
    /// <exception cref="ProcedureFormatException">The definition is not valid.</exception>
    /// <exception cref="ProcedureConflictException">The name is in use.</exception>
    public Task<Procedure> StoreAsync(ProcedureDefinition definition, bool asNewVersion = false, ProcedureOrigin origin = ProcedureOrigin.User, CancellationToken cancellationToken = default)
    {
        var valid = SecretConstants.Remove(ProcedureValidator.Check(definition, Options), Options);
        return Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = CurrentScope().Write,
                Definition = valid,
                Reason = VersionReason.Stored,
                Origin = origin,
                State = VersionState.Active,
                MustBeNew = !asNewVersion,
                At = Time.GetUtcNow(),
            },
            cancellationToken);
    }

    /// <summary>Reads a procedure. Where several scopes that are read have the name, it is the nearest one that can be replayed, else the nearest.</summary>
    /// <param name="name">Its name, regardless of ASCII case.</param>
    /// <param name="version">The version to show, of the nearest procedure that has it; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is none; the message names near ones.</exception>
    public async Task<Procedure> GetAsync(string name, int? version = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return await GetInAsync(CurrentScope(), name, version, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lists the procedures of the scopes that are read, by name: of each name what <see cref="GetAsync"/> gives.</summary>
    /// <param name="tags">Labels that a procedure must all have, regardless of case.</param>
    /// <param name="includeRetired">Whether those out of use are listed as well, and those of the written scope that another scope's procedure of the name stands before, such as a draft that nobody has activated.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<IReadOnlyList<Procedure>> ListAsync(IReadOnlyList<string>? tags = null, bool includeRetired = false, CancellationToken cancellationToken = default) =>
        [.. (await ListVisibleAsync(CurrentScope(), includeRetired: true, includeOwn: includeRetired, cancellationToken).ConfigureAwait(false)).Where(p => (includeRetired || !p.IsRetired) && HasTags(p, tags ?? []))];

    /// <summary>Lists the scopes that the store holds, for the host's own tools: it is the one question that does not stay within a scope.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<IReadOnlyList<string>> ListScopesAsync(CancellationToken cancellationToken = default) => Store.ListScopesAsync(cancellationToken);

    /// <summary>
    /// Lists all versions of a procedure, oldest first. Where the procedure of that name in the written scope is another one than <see cref="GetAsync"/> gives (it has
    /// no active version, say), the versions of that follow: it is those that <see cref="ActivateVersionAsync"/> activates. <see cref="ProcedureVersion.Scope"/> tells them apart.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure.</exception>
    public async Task<IReadOnlyList<ProcedureVersion>> ListVersionsAsync(string name, CancellationToken cancellationToken = default)
    {
        var scope = CurrentScope();
        var procedure = await GetInAsync(scope, name, version: null, cancellationToken).ConfigureAwait(false);
        var versions = await Store.ListVersionsAsync(procedure.Id, cancellationToken).ConfigureAwait(false);
        versions = procedure.Scope == scope.Write ? versions : [.. versions.Select(v => v.WithoutExamples())];
        return procedure.Scope != scope.Write && await Store.GetProcedureAsync([scope.Write], name, version: null, cancellationToken).ConfigureAwait(false) is { } own
            ? [.. versions, .. await Store.ListVersionsAsync(own.Id, cancellationToken).ConfigureAwait(false)]
            : versions;
    }

    /// <summary>Makes a version the one that is replayed: an import after review, or an earlier version to go back to. A retired procedure comes back into use.</summary>
    /// <param name="name">The procedure, in the scope that is written.</param>
    /// <param name="version">The version. Look at it with <see cref="GetAsync"/> and this number first: without the number, another version or another scope's procedure may be shown.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public async Task<Procedure> ActivateVersionAsync(string name, int version, CancellationToken cancellationToken = default)
    {
        var procedure = await GetWritableAsync(name, version, cancellationToken).ConfigureAwait(false);
        var note = new RevisionNote { Kind = RevisionKind.Activated, Reason = Invariant($"version {version} was made the active one") };
        await Store.ChangeProcedureAsync(new ProcedureChange { ProcedureId = procedure.Id, Activate = version, Note = note, At = Time.GetUtcNow() }, cancellationToken).ConfigureAwait(false);

        // It is done: a cancellation from here on would say that it is not.
        return await GetWritableAsync(name, version: null, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Writes one version of a procedure as a readable JSON document: <c>{ "format": 4, "name", "description", "tags", "notes", "version", "inputs", "steps", "signatures" }</c>.</summary>
    /// <param name="name">The procedure.</param>
    /// <param name="version">The version; <see langword="null"/> for the active one, else the newest.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ProcedureNotFoundException">There is no such procedure or version.</exception>
    public Task<string> ExportAsync(string name, int? version = null, CancellationToken cancellationToken = default) => ExportDocumentAsync(name, version, withoutValuesSeen: false, cancellationToken);

    /// <summary>The same, for whom the values that recordings showed are none of the business, such as a model: without examples, and with an input that must be given for each unconfirmed constant.</summary>
    internal async Task<string> ExportDocumentAsync(string name, int? version, bool withoutValuesSeen, CancellationToken cancellationToken)
    {
        var procedure = await GetAsync(name, version, cancellationToken).ConfigureAwait(false);
        var document = new ExportDocument
        {
            Format = VersionDocument.CurrentFormat,
            Name = procedure.Name,
            Description = procedure.Description,
            Tags = procedure.Tags,
            Notes = procedure.Notes,
            Version = procedure.Version.Number,
            Inputs = withoutValuesSeen ? [.. procedure.Version.Inputs.Select(WithoutValuesSeen)] : procedure.Version.Inputs,
            Steps = procedure.Version.Steps,
            Undo = procedure.Version.Undo,

            Signatures = procedure.Version.Signatures,
        };
        return JsonSerializer.Serialize(document, Json.Exchanged);

        static ProcedureInput WithoutValuesSeen(ProcedureInput input) => input.Unconfirmed
            ? input with { Examples = [], Unconfirmed = false, Default = null, Required = true }
            : input with { Examples = [] };
    }

    /// <summary>Reads a document that <see cref="ExportAsync"/> wrote. It becomes a draft with origin <see cref="ProcedureOrigin.Import"/>, as a further version where the name is in use, and is not replayed until it is activated, unless a replay names that version. Review it with <see cref="GetAsync"/> and its number, then <see cref="ActivateVersionAsync"/>.</summary>
    /// <param name="json">The document.</param>
    /// <param name="cancellationToken">Cancels before the write.</param>
    /// <returns>The procedure at its new draft.</returns>
    /// <exception cref="ProcedureFormatException">It is no such document, is of a newer format, or describes no valid procedure. Nothing is stored.</exception>
    public Task<Procedure> ImportAsync(string json, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(json);
        ExportDocument document;
        try
        {
            RequireKnownFormat(json);
            document = JsonSerializer.Deserialize<ExportDocument>(json, Json.Exchanged) ?? throw new JsonException("It is null.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new ProcedureFormatException((exception as JsonException)?.Path ?? "", $"The document cannot be read as a procedure: {exception.Message} Give a document that {nameof(ExportAsync)} wrote.", exception);
        }

        var definition = ProcedureValidator.Check(
            new ProcedureDefinition
            {
                Name = document.Name,
                Description = document.Description ?? "",
                Tags = document.Tags ?? [],
                Notes = document.Notes,
                Inputs = document.Inputs ?? [],
                Steps = document.Steps,
                Undo = document.Undo,

                Signatures = document.Signatures ?? [],
            },
            Options);
        var kept = SecretConstants.Remove(definition, Options);
        return Store.SaveVersionAsync(
            new NewVersion
            {
                Scope = CurrentScope().Write,

                // What was seen in another scope is not taken over into this one.
                Definition = kept with { Inputs = [.. kept.Inputs.Select(i => i with { Examples = [] })] },
                Reason = VersionReason.Imported,
                Origin = ProcedureOrigin.Import,
                State = VersionState.Draft,
                At = Time.GetUtcNow(),
            },
            cancellationToken);
    }

    private static void RequireKnownFormat(string json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = Json.Exchanged.MaxDepth });
        if (document.RootElement.ValueKind is not JsonValueKind.Object || !document.RootElement.TryGetProperty("format", out var format)
            || format.ValueKind is not JsonValueKind.Number || !format.TryGetInt32(out var number))
        {
            throw new ProcedureFormatException("format", "The document has no number 'format'. Give a document that ExportAsync wrote.");
        }

        if (number is < 1 or > VersionDocument.CurrentFormat)
        {
            throw new ProcedureFormatException("format", string.Create(CultureInfo.InvariantCulture, $"The document has format {number}; this library reads 1 to {VersionDocument.CurrentFormat}. Update the ProceduralMemory packages."));
        }
    }
}
