// Typed linting at its strictest; the rules changed below are changed for a stated reason.
import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['dist/', 'dist.new-*/', 'runs/', 'coverage/', '.cache/', '.gpu/', 'bench/peers/']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // Prettier keeps code within 120 columns; comments keep to the same, and nothing is kept from Prettier.
      'max-len': [
        'error',
        { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true },
      ],
      'no-warning-comments': ['error', { terms: ['prettier-ignore'], location: 'anywhere' }],
    },
  },
  {
    // AssemblyScript looks like TypeScript but has its own types and compiler, which checks it during the build.
    files: ['**/*.as.ts'],
    languageOptions: { parser: tseslint.parser, parserOptions: { allowInvalidAST: true } },
    rules: { 'max-len': ['error', { code: 1000, comments: 120 }] }, // Prettier does not format its code
  },
  {
    ignores: ['**/*.as.ts'],
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A forgotten await loses an error or reads a buffer before the device has written it.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/return-await': ['error', 'always'],
      eqeqeq: 'error',
      'no-console': 'error',

      // Numbers print the same everywhere, and messages are full of them.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // With noUncheckedIndexedAccess, `a[i]!` is how a loop says that its bounds are right.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Kernels and layers do without instances, yet constructors and empty hooks are part of some contracts.
      '@typescript-eslint/no-empty-function': ['error', { allow: ['arrowFunctions', 'methods'] }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Index loops over several arrays at once are the natural form of tensor code.
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/consistent-type-definitions': 'off',
    },
  },
  {
    // Programs, benches, tests and build scripts talk to a terminal.
    files: ['mgsd/**', 'bench/**', 'tests/**', '.config/**'],
    rules: { 'no-console': 'off' },
  },
  {
    // Scripts that Node runs as they are: JavaScript with JSDoc types, whose casts the linter cannot see.
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        performance: 'readonly',
        URL: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    // Runs in a browser, as it is.
    files: ['mgsd/report/script.js'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { document: 'readonly' } },
  },
);
