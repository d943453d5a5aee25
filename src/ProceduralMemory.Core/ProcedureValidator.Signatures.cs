using System.Text.Json;

namespace ProceduralMemory;

/// <content>What a procedure brings along of the functions that it calls.</content>
internal sealed partial class ProcedureValidator
{
    private void Signatures(IReadOnlyList<FunctionSignature>? signatures)
    {
        if (signatures is null)
        {
            Add("signatures", "The list of signatures is null. Leave it out, or give an empty one.");
            return;
        }

        var actions = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        long together = 0;
        for (var i = 0; i < signatures.Count; i++)
        {
            var path = Invariant($"signatures[{i}]");
            var signature = signatures[i];
            if (signature is null || string.IsNullOrWhiteSpace(signature.Action) || signature.Parameters.ValueKind is not JsonValueKind.Object)
            {
                Add(path, "A signature has an action, such as orders.get, and parameters: a JSON Schema object with properties and required.");
                continue;
            }

            Text($"{path}.action", signature.Action);
            if (!actions.Add(signature.Action))
            {
                Add($"{path}.action", $"There is more than one signature of '{signature.Action}'.");
            }

            var bytes = Json.LengthOf(signature.Parameters);
            together += bytes;
            if (bytes > FunctionSignature.MaxBytes)
            {
                Add($"{path}.parameters", Invariant($"The signature has {bytes} bytes; {FunctionSignature.MaxBytes} are the most. Leave it out: its function is then not compared."));
            }
            else if (Json.Fault(signature.Parameters, FunctionSignature.MaxDepth(_options), uniqueNames: true) is { } fault)
            {
                Add($"{path}.parameters", $"The signature cannot be kept: {fault}. Leave it out: its function is then not compared.");
            }
        }

        if (together > FunctionSignature.MaxBytesTogether)
        {
            Add("signatures", Invariant($"The signatures have {together} bytes together; {FunctionSignature.MaxBytesTogether} are the most. Leave some out: their functions are then not compared."));
        }
    }
}
