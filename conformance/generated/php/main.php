<?php

// An adapter, version 1, over generated signers: `php main.php FOLDER`, the folder holding what `countersign codegen --lang php` wrote.

declare(strict_types=1);

$folder = $argv[1];

/** The name of a dialect's class. */
function signer(string $dialect): string
{
    $name = '';
    foreach (explode('-', $dialect) as $word) {
        $name .= ($name !== '' && ($word === '' || ctype_digit($word[0])) ? '_' : '') . ucfirst($word);
    }
    return (ctype_digit($name[0]) ? 'The' : '') . $name . 'Signer';
}

function bytes(array $given, string $name): ?string
{
    return isset($given[$name . '_base64']) ? base64_decode($given[$name . '_base64'], true) : $given[$name] ?? null;
}

/** A text under its name, or base64 under another. */
function put(string $name, string $text): array
{
    return preg_match('//u', $text) ? [$name => $text] : [$name . '_base64' => base64_encode($text)];
}

function sign(array $ask, string $folder): array
{
    $class = signer($ask['dialect']);
    $file = "$folder/$class.php";
    if (!is_file($file)) {
        return ['result' => 'unsupported', 'why' => 'no signer of this dialect was generated'];
    }
    require_once $file;
    $given = $ask['message'];
    $message = array_intersect_key($given, array_flip(['method', 'scheme', 'version', 'status']));
    $message['target'] = bytes($given, 'target') ?? '';
    $message['body'] = bytes($given, 'body') ?? '';
    $message['headers'] = array_map(
        fn (array $line): array => [$line[0], is_array($line[1]) ? base64_decode($line[1]['base64']) : $line[1]],
        $given['headers'] ?? [],
    );
    $key = array_is_list($ask['credentials']) ? $ask['credentials'][0] : $ask['credentials'];
    $credential = ['secret' => bytes($key, 'secret'), 'private_key' => $key['private_key_pem'] ?? null] + $key;
    $at = new DateTimeImmutable($ask['at']);
    $options = ['at' => $at, 'nonce' => $ask['nonce'] ?? null, 'inputs' => $ask['inputs'] ?? []] + ($ask['options'] ?? []);
    try {
        $signed = $class::sign($message, $credential, $options);
    } catch (InvalidArgumentException $error) {
        return ['result' => 'error', 'message' => $error->getMessage()];
    }
    $placed = array_intersect_key($given, array_flip(['kind', 'method', 'scheme', 'version', 'status']));
    $placed += $signed['target'] === '' ? [] : put('target', $signed['target']);
    $placed['headers'] = array_map(
        fn (array $line): array => [$line[0], preg_match('//u', $line[1]) ? $line[1] : ['base64' => base64_encode($line[1])]],
        $signed['headers'],
    );
    $placed['body_base64'] = base64_encode($signed['body']);
    $stages = [];
    foreach ($signed['stages'] as $name => $text) {
        $stages += put($name, $text);
    }
    return ['result' => 'signed', 'stages' => (object) $stages, 'signature' => $signed['signature'], 'message' => $placed];
}

function answer(array $ask, string $folder): array
{
    return match ($ask['op'] ?? null) {
        'hello' => ['result' => 'hello', 'version' => 1, 'name' => 'generated', 'language' => 'php'],
        'sign' => sign($ask, $folder),
        default => ['result' => 'unsupported', 'why' => 'these signers only sign'],
    };
}

while (($line = fgets(STDIN)) !== false) {
    $id = null;
    try {
        $ask = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
        $id = $ask['id'] ?? null;
        $result = answer($ask, $folder);
    } catch (Throwable $error) {
        $result = ['result' => 'error', 'message' => (string) $error];
    }
    echo json_encode(['id' => $id] + $result, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";
}
