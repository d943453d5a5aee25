namespace ProceduralMemory.Tests;

public sealed class ErrorResultTests
{
    [Theory]
    [InlineData("""{"error":"no such order"}""", "no such order")]
    [InlineData("""{"error":{"code":404,"message":"no such order"}}""", "no such order")]
    [InlineData("""{"error":{"code":404}}""", """{"code":404}""")]
    [InlineData("""{"error":true,"message":"no such order"}""", "no such order")]
    [InlineData("""{"error":404}""", "404")]
    [InlineData("""{"errors":["a","b"]}""", """["a","b"]""")]
    [InlineData("""{"exception":"Boom"}""", "Boom")]
    [InlineData("""{"isError":true,"content":"no such order"}""", "no such order")]
    [InlineData("""{"isError":true}""", "The result tells of an error.")]
    [InlineData("""{"success":false,"message":"no such order"}""", "no such order")]
    [InlineData("""{"ok":false,"reason":"closed"}""", "closed")]
    [InlineData("""{"status":"error","message":"closed"}""", "closed")]
    [InlineData("\"Error: flight HAT030 not available\"", "Error: flight HAT030 not available")]
    [InlineData("\"error: x\"", "error: x")]
    [InlineData("\"Error\"", "Error")]
    [InlineData("\"ERROR - disk full\"", "ERROR - disk full")]
    [InlineData("\"Error while opening the file\"", "Error while opening the file")]
    [InlineData("\"Error 404\"", "Error 404")]
    [InlineData("\"ValueError: bad\"", "ValueError: bad")]
    [InlineData("\"System.InvalidOperationException: bad\"", "System.InvalidOperationException: bad")]
    [InlineData("\"Traceback (most recent call last): …\"", "Traceback (most recent call last): …")]
    public void An_error_that_a_tool_returns_is_recognised_with_what_it_says(string result, string message) => Assert.Equal(message, ErrorResult.MessageOf(Given.Value(result)));

    [Theory]
    [InlineData("""{"error":null}""")]
    [InlineData("""{"error":""}""")]
    [InlineData("""{"error":false}""")]
    [InlineData("""{"error":0}""")]
    [InlineData("""{"error":"none"}""")]
    [InlineData("""{"error":0.05,"mean":3}""")]
    [InlineData("""{"errors":[]}""")]
    [InlineData("""{"errors":3,"warnings":7}""")]
    [InlineData("""{"isError":false,"content":"x"}""")]
    [InlineData("""{"success":true,"message":"x"}""")]
    [InlineData("""{"ok":false}""")]
    [InlineData("""{"status":"failed","message":"a job that was asked about"}""")]
    [InlineData("""{"title":"Platform Error"}""")]
    [InlineData("""[{"error":"x"}]""")]
    [InlineData("\"Errors: none\"")]
    [InlineData("\"Error rate is 5 %\"")]
    [InlineData("\"Terror: a film\"")]
    [InlineData("\"Email not found.\"")]
    [InlineData("\"No error: all is well\"")]
    [InlineData("404")]
    [InlineData("null")]
    [InlineData("false")]
    public void An_answer_is_no_error(string result) => Assert.Null(ErrorResult.MessageOf(Given.Value(result)));

    [Fact]
    public void No_result_is_no_error_and_a_long_message_is_shortened()
    {
        Assert.Null(ErrorResult.MessageOf(null));
        Assert.True(ErrorResult.MessageOf(Given.Text("Error: " + string.Concat(Enumerable.Repeat("😀", 1000))))!.Length <= 501);
    }

    [Fact]
    public async Task A_host_says_itself_what_is_an_error()
    {
        using var world = TestMemory.InMemory(o => o.ErrorOf = (action, result) => action == "shop.find" && result.ValueKind is System.Text.Json.JsonValueKind.Null ? "Nothing was found." : null);
        await world.Memory.StoreAsync(Given.Definition("p", Given.Step("shop.ask"), Given.Step("shop.find")));

        var replay = await world.Memory.ReplayAsync(new ScriptedExecutor().Returns("shop.ask", "\"Error: none of your business.\"").Returns("shop.find", "null"), "p");

        Assert.Equal(StepStatus.Success, replay.Steps[0].Status);
        Assert.Equal((FailureTypes.ErrorResult, "The function returned an error: Nothing was found."), (replay.Steps[1].Failure!.ErrorType, replay.Steps[1].Failure!.Message));
    }
}
