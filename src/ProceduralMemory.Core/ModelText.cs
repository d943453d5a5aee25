namespace ProceduralMemory;

/// <summary>Texts that come from users and models, brought to a length that can be kept.</summary>
internal static class ModelText
{
    private const string CutMark = " … [cut]";

    /// <summary>A request of any length within what can be kept: what it is about stands at its beginning. The rest is cut off, and a mark says so.</summary>
    public static string? Shortened(string? request)
    {
        if (request is null || request.Length <= ProcedureValidator.MaxTextLength)
        {
            return request;
        }

        var end = ProcedureValidator.MaxTextLength - CutMark.Length;
        return string.Concat(request.AsSpan(0, char.IsHighSurrogate(request[end - 1]) ? end - 1 : end), CutMark);
    }
}
