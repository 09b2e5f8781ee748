const vscode = require('vscode');

/** Registers the tool of the manifest. */
exports.activate = (context) => {
  context.subscriptions.push(
    vscode.lm.registerTool('neighbour_greet', {
      invoke: async ({ input }) => {
        if (input.name === 'nobody') throw new Error('There is nobody to greet.');
        return new vscode.LanguageModelToolResult([
          new vscode.LanguageModelTextPart(`Hello, ${input.name}.`),
          new vscode.LanguageModelTextPart('Nice to meet you.'),
        ]);
      },
    }),
  );
};
