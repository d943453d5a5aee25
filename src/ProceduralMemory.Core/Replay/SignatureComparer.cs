using System.Text.Json;

namespace ProceduralMemory.Replay;

/// <summary>
/// Compares what a function declared of its parameters when a step was recorded with what it declares today, for the arguments that the step gives; pure. It asks whether the
/// step can still be done, not whether two schemas are equal: what the step does not use is not in its way.
/// </summary>
internal sealed class SignatureComparer
{
    private readonly ParameterList _before;
    private readonly ParameterList _now;
    private readonly IReadOnlyList<GivenArgument> _arguments;
    private readonly string? _filledIn;
    private readonly List<string> _removed;
    private readonly List<string> _added;
    private readonly IReadOnlyDictionary<string, string> _found;
    private readonly List<SignatureChange> _changes = [];
    private readonly Dictionary<string, string> _renames = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _notTaken = [];
    private readonly List<string> _missing = [];

    private SignatureComparer(ParameterList before, ParameterList now, IReadOnlyList<GivenArgument> arguments, string? filledIn)
    {
        _before = before;
        _now = now;
        _arguments = arguments;
        _filledIn = filledIn;
        _removed = [.. before.Names.Where(n => now.Find(n) is null)];
        _added = [.. now.Names.Where(n => before.Find(n) is null)];
        _found = ParameterRenames.Find(_removed, _added, Fits);
    }

    /// <summary>Compares.</summary>
    /// <param name="recorded">The schema of the parameters as it was recorded: an object with <c>properties</c> and <c>required</c>. Where it is none, nothing is known, and nothing is found.</param>
    /// <param name="today">The same as the function declares it today.</param>
    /// <param name="arguments">The arguments that the step gives.</param>
    /// <param name="filledIn">A parameter that the replay itself fills.</param>
    public static SignatureComparison Compare(JsonElement recorded, JsonElement today, IReadOnlyList<GivenArgument> arguments, string? filledIn = null)
    {
        if (ParameterList.Of(recorded) is not { } before || ParameterList.Of(today) is not { } now)
        {
            return SignatureComparison.Same;
        }

        var comparer = new SignatureComparer(before, now, arguments, filledIn);
        before.Names.ForEach(comparer.LookAtKnown);
        comparer._added.ForEach(comparer.LookAtAdded);
        return new SignatureComparison
        {
            Changes = [.. comparer._changes.Distinct().OrderByDescending(c => c.Kind)],
            Renames = comparer._renames,
            NotTaken = comparer._notTaken,
            Missing = comparer._missing,
        };
    }

    private void LookAtKnown(string name)
    {
        var given = Given(name);
        if (_now.Find(name) is not { } now)
        {
            LookAtRemoved(name, given);
            return;
        }

        var before = _before.Find(name)!;
        _changes.AddRange(ParameterComparer.Compare(name, before.Schema, now.Schema, given));
        if (now.IsNeeded && !before.IsNeeded && given is null && !IsFilledIn(now.Name))
        {
            Miss(now, "could be left out when the task was recorded");
        }
    }

    private void LookAtRemoved(string name, GivenArgument? given)
    {
        if (given is null)
        {
            Add(DriftKind.Compatible, $"It no longer takes '{name}', which the step does not give.");
            return;
        }

        var isRenamed = _found.TryGetValue(name, out var newName);
        var other = isRenamed ? Given(newName!) : null;
        if (given.IsAdapted)
        {
            Drop(name, $"It no longer takes '{name}', which is given as an adapted parameter. {(isRenamed ? $"Its name is '{newName}' now: give it by that name." : "Leave it out.")}");
        }
        else if (!isRenamed || other is { IsAdapted: false })
        {
            var candidates = ParameterRenames.Candidates(name, _added, Fits);
            Drop(name, candidates.Count > 1
                ? $"It no longer takes '{name}', and may call it {string.Join(" or ", candidates.Take(5).Select(c => $"'{c}'"))} now: which of them is not guessed. Record the task anew, or store a version with the right one."
                : $"It no longer takes '{name}', which the step gives. Record the task anew, or store a version without it.");
        }
        else if (other is not null)
        {
            // As the caller spells it: the template gives way to it.
            _renames[name] = other.Name;
            Add(DriftKind.Compatible, $"'{name}' has the name '{newName}' now, which is given as an adapted parameter.");
        }
        else
        {
            _renames[name] = newName!;
            Add(DriftKind.Renamed, $"'{name}' has the name '{newName}' now.");
            _changes.AddRange(ParameterComparer.Compare(newName!, _before.Find(name)!.Schema, _now.Find(newName!)!.Schema, given));
        }
    }

    private void LookAtAdded(string name)
    {
        if (_renames.ContainsValue(name))
        {
            return;
        }

        var now = _now.Find(name)!;
        if (Given(name) is not null || IsFilledIn(name))
        {
            Add(DriftKind.Compatible, $"It takes '{name}' since, which is given.");
        }
        else if (now.IsNeeded)
        {
            Miss(now, "was not there when the task was recorded");
        }
        else
        {
            Add(DriftKind.Compatible, $"It takes '{name}' since, which may be left out.");
        }
    }

    private void Miss(Parameter parameter, string since)
    {
        _missing.Add(parameter.Name);
        Add(DriftKind.Breaking, $"It needs '{parameter.Name}' ({SchemaTypes.Of(parameter.Schema)}) now, which {since}, and the step does not give it. Give it as an adapted parameter, or record the task anew.");
    }

    private void Drop(string name, string message)
    {
        _notTaken.Add(name);
        Add(DriftKind.Breaking, message);
    }

    private void Add(DriftKind kind, string message) => _changes.Add(new SignatureChange(kind, message));

    private GivenArgument? Given(string name) => _arguments.FirstOrDefault(a => a.IsAdapted && Same(a.Name, name)) ?? _arguments.FirstOrDefault(a => Same(a.Name, name));

    private bool IsFilledIn(string name) => _filledIn is not null && Same(_filledIn, name);

    private bool Fits(string old, string @new) => SchemaTypes.Of(_before.Find(old)!.Schema).Without(SchemaTypes.Of(_now.Find(@new)!.Schema)).WithoutNull().IsEmpty;

    // As hosts take the names of arguments: regardless of case.
    private static bool Same(string first, string second) => string.Equals(first, second, StringComparison.OrdinalIgnoreCase);

    private sealed record Parameter(string Name, JsonElement Schema, bool IsNeeded);

    /// <summary>The parameters that a function declares, by name.</summary>
    private sealed class ParameterList
    {
        private readonly SortedDictionary<string, Parameter> _parameters = new(StringComparer.OrdinalIgnoreCase);

        public List<string> Names => [.. _parameters.Values.Select(p => p.Name)];

        public static ParameterList? Of(JsonElement schema)
        {
            if (schema.ValueKind is not JsonValueKind.Object || !schema.TryGetProperty("properties", out var properties) || properties.ValueKind is not JsonValueKind.Object)
            {
                return null;
            }

            var list = new ParameterList();
            foreach (var property in properties.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
            {
                list._parameters.TryAdd(property.Name, new Parameter(property.Name, property.Value, ParameterComparer.IsNeeded(schema, property.Name, property.Value)));
            }

            return list;
        }

        public Parameter? Find(string name) => _parameters.GetValueOrDefault(name);
    }
}
