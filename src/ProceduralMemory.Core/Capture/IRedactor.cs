namespace ProceduralMemory.Capture;

/// <summary>Decides what is secret. It is asked before anything is stored or logged, on every call, from any thread.</summary>
public interface IRedactor
{
    /// <summary>Whether the value of a parameter or field is secret as a whole, whatever it is.</summary>
    /// <param name="action">The action whose argument or result it stands in, such as <c>crm.login</c>; empty for what belongs to no action.</param>
    /// <param name="name">The name of the parameter or field.</param>
    bool IsSecret(string action, string name);

    /// <summary>Takes secrets out of a text: a request, an error message, a string inside a value.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The text, with <see cref="SecretRedactor.Marker"/> in place of each secret; the same instance where there is none.</returns>
    string Redact(string text);
}
