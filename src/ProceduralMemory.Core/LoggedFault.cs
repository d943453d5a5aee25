using System.Data.Common;

namespace ProceduralMemory;

/// <summary>An exception as it may be logged. Converters, redactors, listeners and functions of a host put values into messages, so of theirs only the type and the place are told.</summary>
internal static class LoggedFault
{
    /// <summary>The exception where its messages hold no values: those of this library, and of the database under it; but what a replay failed of may hold any.</summary>
    public static Exception? Of(Exception exception) => IsOurs(exception) ? exception : null;

    public static string Describe(Exception exception) =>
        IsOurs(exception) || exception.StackTrace is not { } stack ? exception.GetType().FullName! : $"{exception.GetType().FullName}{Environment.NewLine}{stack}";

    private static bool IsOurs(Exception exception) => exception is (ProceduralMemoryException and not ReplayNotCompletedException) or DbException && (exception.InnerException is null || IsOurs(exception.InnerException));
}
