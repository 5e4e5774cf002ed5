/** Asks a question, and gives the reply that this command has. */
export function ask(core, command) {
    return core.ask(command);
}
