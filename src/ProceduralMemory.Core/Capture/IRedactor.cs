namespace ProceduralMemory.Capture;

/// <summary>Decides what is secret. It is asked before anything is stored or logged, on every call, from any thread.</summary>
public interface IRedactor
{
    /// <summary>What <see cref="IsSecret"/> is asked as the name where the result of an action is meant as a whole: the empty text, which no parameter has.</summary>
    const string WholeResult = "";

    /// <summary>Whether the value of a parameter or field, or the result of an action, is secret as a whole, whatever it is.</summary>
    /// <param name="action">The action whose argument or result it stands in, such as <c>crm.login</c>; empty for what belongs to no action.</param>
    /// <param name="name">The name of the parameter or field; <see cref="WholeResult"/> for the result of the action, which may have no fields: a bare key or token.</param>
    bool IsSecret(string action, string name);

    /// <summary>Takes secrets out of a text: a request, an error message, a string inside a value.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The text, with <see cref="SecretRedactor.Marker"/> in place of each secret; the same instance where there is none.</returns>
    string Redact(string text);

    /// <summary>
    /// Takes secrets out of a text, and puts in the place of each what is made of it: within a recording a marker that equal secrets share, so that it shows where one went. Unless a redactor says it
    /// itself, what the secrets are is found by comparing the text with what <see cref="Redact(string)"/> makes of it; where that cannot be told, its own markers stay.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="mark">Given a secret, what is to stand in its place.</param>
    /// <returns>The text without secrets; the same instance where there is none.</returns>
    string Redact(string text, Func<string, string> mark) => RedactedText.Marked(text, Redact(text), mark);
}
