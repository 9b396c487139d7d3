# A Momento API key in Secrets Manager: the secret, a service that reads it, its rotation, and an e-mail when a rotation
# fails or somebody is denied a secret. README.md beside this file says how to use it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "momento_endpoint" {
  type        = string
  description = "The endpoint of your API key, from Momento's console, without https://"
}

variable "cache_name" {
  type = string
}

variable "alarm_email" {
  type        = string
  description = "Who is told; AWS asks this address to confirm"
}

variable "rotate" {
  type        = bool
  description = "Say true once both secrets hold a key"
  default     = false
}

variable "rotate_every_days" {
  type    = number
  default = 30
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  service_zip  = "${path.module}/../build/lambda/service.zip"
  rotation_zip = "${path.module}/../build/lambda/rotation.zip"
}

# Made without a value: a token in a variable would stand in the state, for all who may read that.
resource "aws_secretsmanager_secret" "momento_api_key" {
  name        = "momento-api-key"
  description = "The Momento API key of the services, as plaintext"
}

resource "aws_secretsmanager_secret" "next_momento_api_key" {
  name        = "next-momento-api-key"
  description = "The API key that the next rotation takes; read by the rotation function only"
}

# The service

data "aws_iam_policy_document" "by_lambda" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "service" {
  name_prefix        = "momento-service-"
  assume_role_policy = data.aws_iam_policy_document.by_lambda.json
}

resource "aws_iam_role_policy_attachment" "service_logs" {
  role       = aws_iam_role.service.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy" "read_momento_token" {
  name = "read-momento-token"
  role = aws_iam_role.service.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"] # and DescribeSecret, if you use AWS's caching library
      Resource = aws_secretsmanager_secret.momento_api_key.arn
    }]
  })
}

resource "aws_lambda_function" "service" {
  function_name    = "momento-service"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "lambda_handler.handler"
  role             = aws_iam_role.service.arn
  timeout          = 15
  memory_size      = 512
  filename         = local.service_zip
  source_code_hash = filebase64sha256(local.service_zip)
  environment {
    variables = {
      SECRET_NAME      = aws_secretsmanager_secret.momento_api_key.arn
      CACHE_NAME       = var.cache_name
      MOMENTO_ENDPOINT = var.momento_endpoint
    }
  }
}

# The rotation

resource "aws_iam_role" "rotation" {
  name_prefix        = "momento-rotation-"
  assume_role_policy = data.aws_iam_policy_document.by_lambda.json
}

resource "aws_iam_role_policy_attachment" "rotation_logs" {
  role       = aws_iam_role.rotation.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy" "rotate_momento_token" {
  name = "rotate-momento-token"
  role = aws_iam_role.rotation.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ]
        Resource = aws_secretsmanager_secret.momento_api_key.arn
      },
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = aws_secretsmanager_secret.next_momento_api_key.arn
      },
    ]
  })
}

resource "aws_lambda_function" "rotation" {
  function_name    = "momento-rotation"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "rotation_function.handler"
  role             = aws_iam_role.rotation.arn
  timeout          = 60
  memory_size      = 512
  filename         = local.rotation_zip
  source_code_hash = filebase64sha256(local.rotation_zip)
  environment {
    variables = {
      NEXT_KEY_SECRET  = aws_secretsmanager_secret.next_momento_api_key.arn
      CACHE_NAME       = var.cache_name
      MOMENTO_ENDPOINT = var.momento_endpoint
    }
  }
}

# RotateSecret is refused without it. source_account keeps the secrets of other accounts out.
resource "aws_lambda_permission" "secrets_manager_may_invoke" {
  function_name  = aws_lambda_function.rotation.function_name
  action         = "lambda:InvokeFunction"
  principal      = "secretsmanager.amazonaws.com"
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_secretsmanager_secret_rotation" "schedule" {
  count               = var.rotate ? 1 : 0
  secret_id           = aws_secretsmanager_secret.momento_api_key.id
  rotation_lambda_arn = aws_lambda_function.rotation.arn
  rotate_immediately  = false # the function's testSecret is tried; the first rotation comes by the schedule
  rotation_rules {
    automatically_after_days = var.rotate_every_days
  }
  depends_on = [aws_lambda_permission.secrets_manager_may_invoke]
}

# The alarms

resource "aws_sns_topic" "alarms" {
  name_prefix = "momento-alarms-"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_policy" "events_may_tell_alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = {
        ArnEquals = {
          "aws:SourceArn" = [aws_cloudwatch_event_rule.rotation_failed.arn, aws_cloudwatch_event_rule.denied.arn]
        }
      }
    }]
  })
}

# There is no CloudWatch metric for this. The event comes by CloudTrail, so your account needs a trail.
resource "aws_cloudwatch_event_rule" "rotation_failed" {
  name_prefix = "momento-rotation-failed-"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source        = ["aws.secretsmanager"]
    "detail-type" = ["AWS Service Event via CloudTrail"]
    detail = {
      eventSource         = ["secretsmanager.amazonaws.com"]
      eventName           = ["RotationFailed", "RotationAbandoned", "TestRotationFailed"]
      additionalEventData = { SecretId = [aws_secretsmanager_secret.momento_api_key.arn] }
    }
  })
}

# Reads are events that a rule gets in this state only. A denied call of any secret counts: of such a call CloudTrail
# keeps the message, and not always what was asked for.
resource "aws_cloudwatch_event_rule" "denied" {
  name_prefix = "secrets-manager-denied-"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source        = ["aws.secretsmanager"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["secretsmanager.amazonaws.com"]
      errorCode   = ["AccessDenied", "AccessDeniedException"]
    }
  })
}

resource "aws_cloudwatch_event_target" "alarms" {
  for_each = {
    rotation_failed = aws_cloudwatch_event_rule.rotation_failed.name
    denied          = aws_cloudwatch_event_rule.denied.name
  }
  rule = each.value
  arn  = aws_sns_topic.alarms.arn
}
