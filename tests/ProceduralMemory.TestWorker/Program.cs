using ProceduralMemory.TestWorker;

// A child process of the tests. Every line that it prints tells of something that has happened: see Acknowledgements.
switch (args)
{
    case ["open"]:
        await OpenCommand.RunAsync();
        return 0;
    case ["operate", var database, var count, var seed]:
        await OperateCommand.RunAsync(database, Arguments.Number(count), Arguments.Number(seed));
        return 0;
    case ["practise", var database, var count, var seed]:
        await PractiseCommand.RunAsync(database, Arguments.Number(count), Arguments.Number(seed));
        return 0;
    case ["revise", var database]:
        await ReviseCommand.RunAsync(database);
        return 0;
    case ["record-forever", var database, var seed]:
        await RecordForeverCommand.RunAsync(database, Arguments.Number(seed));
        return 0;
    case ["golden", var file]:
        await GoldenCommand.RunAsync(file);
        return 0;
    default:
        await Console.Error.WriteLineAsync("Usage: open | operate <database> <count> <seed> | practise <database> <count> <seed> | revise <database> | record-forever <database> <seed> | golden <new file>");
        return 2;
}
